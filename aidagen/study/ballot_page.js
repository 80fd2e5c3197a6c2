// The page of a preference study without a kernel: votes go into this browser's storage at once.
// The schedule is the one of `Plan.schedule`; the file is the one that `study.gather` reads.

const held = JSON.parse(document.getElementById("study").textContent);
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const KEY = `aidagen-${held.study}`;

function mixed(text) {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function schedule(rater) {
  const ranked = (what) => held.pairs
    .map((pair) => [mixed(`${held.study}/${rater}/${pair[0]}/${what}`), pair])
    .sort(([a, one], [b, other]) => a - b || (one[0] < other[0] ? -1 : 1))
    .map(([, pair]) => pair);
  const swapped = new Set(
    ranked("side").slice(0, Math.floor(held.pairs.length / 2)).map((pair) => pair[0]));
  return ranked("order").map(([pair, reference, one, two]) => swapped.has(pair)
    ? { pair, reference, left: two, right: one } : { pair, reference, left: one, right: two });
}

function newCode() {
  let code = "";
  while (code.length < 8) {
    const [byte] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < LETTERS.length * 8) code += LETTERS[byte % LETTERS.length];
  }
  return code;
}

let mine = null, kept = true;

function keep() {
  try {
    if (mine) localStorage.setItem(KEY, JSON.stringify(mine));
    else localStorage.removeItem(KEY);
    kept = true;
  } catch {
    kept = false;
  }
}

function recall() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    const whole = found && found.study === held.study && Array.isArray(found.votes)
      && found.consent === true && /^[a-z2-9]{8}$/.test(found.rater);
    if (!whole) return null;
    const shown = schedule(found.rater);
    const same = (vote, i) => shown[i] && vote.pair === shown[i].pair
      && vote.left === shown[i].left && ["left", "right", "tie"].includes(vote.chosen);
    return found.votes.every(same) ? found : null;
  } catch {
    return null;
  }
}

const root = document.getElementById("ballot"), exporting = document.getElementById("export");
const show = ballot(root, act);

function act(what, pair) {
  if (mine && kept) mine = recall() ?? mine; // another tab may have gone on
  if (what === "agree")
    mine = { format: held.format, study: held.study, rater: newCode(), consent: true, votes: [] };
  else if (what === "remove") mine = null;
  else if (what === "undo") mine.votes.pop();
  else {
    const shown = schedule(mine.rater)[mine.votes.length];
    if (!shown || shown.pair !== pair)
      return draw("Another tab went on: this is the pair to judge.");
    const { left, right } = shown;
    mine.votes.push({ pair, left, right, chosen: what });
  }
  keep();
  const saved = `Vote ${mine ? mine.votes.length : 0} is saved in this browser.`;
  draw({ agree: "Press Play and watch the three clips to their end.", undo: "Taken back.",
    remove: "Your votes are deleted." }[what] ?? saved);
}

function draw(sentence) {
  const total = held.pairs.length, done = mine ? mine.votes.length : 0;
  const shown = mine && schedule(mine.rater)[done];
  const url = (code) => `data:video/mp4;base64,${held.clips[code]}`;
  const clips = shown && { reference: url(shown.reference), left: url(shown.left),
    right: url(shown.right) };
  if (done === total)
    sentence = `All ${total} votes are saved in this browser. Download them and hand them in.`;
  if (!kept)
    sentence = "This browser keeps no votes: do not close the page before you download them.";
  show({ stage: !mine ? "consent" : shown ? "vote" : "done", ethics: held.ethics,
    consent: held.consent, question: held.question, ties: held.ties, pair: shown && shown.pair,
    done, total, clips, sentence });
  exporting.hidden = !done;
}

document.getElementById("download").addEventListener("click", () => {
  const file = new Blob([JSON.stringify(mine, null, 1)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `votes-${mine.rater}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});

mine = recall();
draw(!mine ? "" : mine.votes.length < held.pairs.length
  ? `Welcome back: ${mine.votes.length} votes are kept. Press Play to go on.`
  : "");
