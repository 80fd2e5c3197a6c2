// What the course adds to jupyterlab-slideshow, as an extension of JupyterLab without a build step:
// the style of the slides, speaker notes in a window of their own, a deck that never begins blank,
// and a Lab that opens with its menus though it was closed inside the deck; and what `aidagen play`
// opens is run.
(() => {
  const NAME = 'aidagen-deck';
  const SETTINGS = 'jupyterlab-slideshow:plugin';
  const IN_COMMAND_MODE = '.jp-Deck .jp-Notebook.jp-mod-commandMode:not(.jp-mod-readWrite) :focus';
  const styleAddress = new URL('deck.css', document.currentScript.src).href;
  const presenting = () => document.body.dataset.jpDeckMode === 'presenting';
  let shared; // the modules that JupyterLab lends to its extensions

  async function borrow(name) {
    const [offer] = Object.values(shared[name]);
    return (await offer.get())();
  }

  function loadStyle() {
    const link = document.createElement('link');
    Object.assign(link, { rel: 'stylesheet', href: styleAddress });
    document.head.appendChild(link);
    const fit = () => {
      const scale = Math.min(innerWidth / 1920, innerHeight / 1080);
      document.documentElement.style.setProperty('--deck-zoom', scale.toFixed(3));
    };
    addEventListener('resize', fit);
    fit();
  }

  // --- slides ---------------------------------------------------------------------------------

  const typeOf = cell => (cell.model.getMetadata('slideshow') || {}).slide_type || '';
  const begins = cell => ['slide', 'subslide'].includes(typeOf(cell));

  // the notebook's slides: { first, notes, heading } by the indices of their cells
  function slidesOf(notebook) {
    const slides = [];
    notebook.widgets.forEach((cell, at) => {
      const type = typeOf(cell);
      if (type === 'skip') return;
      if (type !== 'notes' && (begins(cell) || !slides.length)) {
        slides.push({ first: at, notes: [], heading: '' });
      }
      const slide = slides[slides.length - 1];
      if (!slide) return;
      if (type === 'notes') slide.notes.push(at);
      const found = cell.model.type === 'markdown' && /^#+\s+(.+)$/m.exec(cell.model.sharedModel.source);
      if (found && type !== 'notes' && !slide.heading) slide.heading = found[1];
    });
    return slides;
  }

  const slideAt = (slides, cell) => Math.max(0, slides.findLastIndex(one => one.first <= cell));

  const minutesOf = (notebook, slide) => slide.notes.reduce((sum, at) => {
    const found = /^\s*\*\*\s*(\d+(?:\.\d+)?)\s*min/.exec(notebook.widgets[at].model.sharedModel.source);
    return sum + (found ? parseFloat(found[1]) : 0);
  }, 0);

  // --- speaker notes --------------------------------------------------------------------------

  const PAGE = `<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><title>Speaker notes</title>
<style>
body { font: 24px/1.45 system-ui, sans-serif; margin: 0; padding: 1rem 1.5rem; color: #1b1b1f; background: #fff }
header, footer { display: flex; gap: 1.5em; justify-content: space-between; color: #5b5b66; font-size: 18px }
h1 { font-size: 30px; margin: .4em 0 } main { border-top: 1px solid #c9c9d2; border-bottom: 1px solid #c9c9d2 }
main { min-height: 50vh; padding: .5em 0; margin: .5em 0 } .late { color: #a3120a }
button { font: inherit; padding: .1em .8em }
</style></head><body>
<header><span id="where"></span><span id="clock" role="timer"></span></header>
<h1 id="heading"></h1><main id="notes" aria-live="polite"></main>
<footer><span id="next"></span><span><button id="back">Previous</button> <button id="on">Next</button></span></footer>
</body></html>`;

  class Speaker {
    constructor(commands) {
      this.commands = commands;
      this.window = null;
      this.panel = null;
    }

    open(panel) {
      const isOpen = this.window && !this.window.closed;
      if (!isOpen) {
        this.window = open('', `${NAME}-speaker`, 'popup,width=960,height=720');
        if (!this.window) return; // the browser forbids windows, and says so itself
        const page = this.window.document;
        page.open();
        page.write(PAGE);
        page.close();
        this.began = Date.now();
        const go = (direction, alternate) => this.commands.execute('deck:go', { direction, alternate });
        const keys = {
          ArrowRight: () => go('forward'), ArrowLeft: () => go('back'),
          ArrowDown: () => go('down'), ArrowUp: () => go('up'),
          PageDown: () => go('down', 'forward'), PageUp: () => go('up', 'back'),
          ' ': () => go('down', 'forward'),
        };
        page.addEventListener('keydown', event => {
          if (event.target.closest('button') && event.key === ' ') return;
          if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
        });
        page.querySelector('#on').onclick = () => go('down', 'forward');
        page.querySelector('#back').onclick = () => go('up', 'back');
        clearInterval(this.timer);
        this.timer = setInterval(() => this.window.closed ? clearInterval(this.timer) : this.tell(), 1000);
      }
      this.follow(panel);
      this.show();
      this.window.focus();
    }

    follow(panel) {
      if (panel === this.panel) return;
      this.panel = panel;
      panel.content.activeCellChanged.connect(() => this.panel === panel && this.show());
    }

    show() {
      if (!this.window || this.window.closed) return;
      const notebook = this.panel.content;
      const slides = slidesOf(notebook);
      const at = slideAt(slides, notebook.activeCellIndex);
      const page = this.window.document;
      const says = slides[at].notes.map(n => notebook.widgets[n]).map(cell => {
        const drawn = cell.node.querySelector('.jp-RenderedMarkdown');
        const plain = document.createElement('p');
        plain.textContent = cell.model.sharedModel.source;
        return drawn ? drawn.innerHTML : plain.outerHTML;
      });
      const none = 'No notes to this slide. A learner’s copy has none: teach from the course’s own notebook.';
      const heading = one => one ? one.heading.replace(/[*`]/g, '') : 'the end';
      page.querySelector('#where').textContent = `Slide ${at + 1} of ${slides.length}`;
      page.querySelector('#heading').textContent = heading(slides[at]);
      page.querySelector('#notes').innerHTML = says.join('') || none;
      page.querySelector('#next').textContent = `Next: ${heading(slides[at + 1])}`;
      this.planned = slides.slice(0, at + 1).reduce((sum, one) => sum + minutesOf(notebook, one), 0);
      this.tell();
    }

    tell() { // the clock: minutes since the window was opened, and when this slide should be over
      const passed = (Date.now() - this.began) / 60000;
      const clock = this.window.document.querySelector('#clock');
      clock.textContent = `${Math.floor(passed)} min · this slide ends at ${this.planned} min`;
      clock.className = passed > this.planned ? 'late' : '';
    }
  }

  // --- the plugin -----------------------------------------------------------------------------

  // Nobody should find Lab without menus: whether a deck is open is not a setting to be kept.
  function forgetTheDeck(registry) {
    const store = registry.set.bind(registry);
    registry.set = (plugin, key, value) =>
      plugin === SETTINGS && key === 'active' ? Promise.resolve() : store(plugin, key, value);
  }

  // The layout was stored inside the deck: one document alone, and no file browser.
  function layoutAsBefore(app, shell) {
    new MutationObserver(() => {
      if (presenting()) localStorage.setItem(NAME, 'presenting');
      else localStorage.removeItem(NAME);
    }).observe(document.body, { attributeFilter: ['data-jp-deck-mode'] });
    void app.restored.then(() => {
      if (presenting() || !localStorage.getItem(NAME)) return;
      localStorage.removeItem(NAME);
      shell.mode = 'multiple-document';
      shell.expandLeft();
    });
  }

  // The deck is blank where the active cell is on no slide: go back to the slide before it.
  function beginOnASlide(notebook) {
    if (!notebook || !['notes', 'skip'].includes(notebook.activeCell ? typeOf(notebook.activeCell) : '')) return;
    const slides = slidesOf(notebook);
    if (slides.length) notebook.activeCellIndex = slides[slideAt(slides, notebook.activeCellIndex)].first;
  }

  // A notebook that `aidagen play` wrote is run as it opens, if it is trusted on this machine.
  async function runIfAsked(panel, NotebookActions) {
    await panel.context.ready;
    await panel.sessionContext.ready;
    const cells = panel.content.widgets.filter(cell => cell.model.type === 'code');
    const asks = panel.content.model.getMetadata('aidagen_run') === true;
    if (asks && cells.every(cell => cell.model.trusted)) {
      await NotebookActions.runAll(panel.content, panel.sessionContext);
    }
  }

  async function plugin() {
    const { ISettingRegistry } = await borrow('@jupyterlab/settingregistry');
    const { ILabShell } = await borrow('@jupyterlab/application');
    const { INotebookTracker, NotebookActions } = await borrow('@jupyterlab/notebook');
    return {
      id: `${NAME}:plugin`,
      description: 'Lectures as decks: style, speaker notes, and menus afterwards.',
      autoStart: true,
      requires: [ISettingRegistry, INotebookTracker],
      optional: [ILabShell],
      activate: (app, registry, tracker, shell) => {
        loadStyle();
        forgetTheDeck(registry);
        if (shell) layoutAsBefore(app, shell);
        tracker.widgetAdded.connect((_, panel) => void runIfAsked(panel, NotebookActions));
        const speaker = new Speaker(app.commands);
        app.commands.addCommand(`${NAME}:notes`, {
          label: 'Speaker Notes of the Deck',
          execute: () => tracker.currentWidget && speaker.open(tracker.currentWidget),
        });
        for (const selector of [IN_COMMAND_MODE, '.jp-Deck-Remote']) {
          app.commands.addKeyBinding({ command: `${NAME}:notes`, args: {}, keys: ['S'], selector });
        }
        const button = document.createElement('button');
        button.className = 'aidagen-deck-notes';
        button.textContent = 'Notes (S)';
        button.onclick = () => app.commands.execute(`${NAME}:notes`);
        document.body.appendChild(button);
        app.commands.commandExecuted.connect((_, { id }) => {
          if (['deck:start', 'deck:toggle'].includes(id) && tracker.currentWidget) {
            if (!presenting()) beginOnASlide(tracker.currentWidget.content);
          }
        });
      },
    };
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: scope => { shared = scope; },
    get: async () => {
      const made = await plugin();
      return () => ({ __esModule: true, default: made });
    },
  };
})();
