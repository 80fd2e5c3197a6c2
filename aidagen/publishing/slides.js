// What a slide measures on the screen, in CSS pixels; called with the selector of what scrolls.
selector => {
  const slide = document.querySelector(selector);
  const zoom = node => node.currentCSSZoom || 1;
  const seen = node => node.checkVisibility({ visibilityProperty: true });
  const isLive = slide.matches('.jp-Notebook');
  const parts = isLive ? [...slide.querySelectorAll('.jp-Cell.jp-deck-mod-onscreen')]
    : [...slide.children].filter(node => !node.matches('.notes'));
  const margins = getComputedStyle(slide);
  const boxes = parts.filter(seen).map(node => node.getBoundingClientRect());
  const margin = side => parseFloat(margins[`padding${side}`]);
  const top = Math.min(...boxes.map(box => box.top));
  const bottom = Math.max(...boxes.map(box => box.bottom));

  const least = { text: null, code: null };
  let smallest = '';
  const passed = 'math, svg, sup, sub, script, style, .notes, .katex, mjx-container, .MathJax';
  const codes = 'pre, .cm-editor, .jp-OutputArea-output.lm-Panel, button, select, input, textarea';
  for (const part of parts) {
    const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const words = walker.currentNode.textContent.trim();
      const node = walker.currentNode.parentElement;
      if (!words || node.closest(passed) || !seen(node)) continue;
      const range = document.createRange();
      range.selectNodeContents(walker.currentNode);
      const box = range.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) continue; // for screen readers alone
      const size = parseFloat(getComputedStyle(node).fontSize) * zoom(node);
      const kind = node.closest(codes) ? 'code' : 'text';
      if (least[kind] !== null && least[kind] <= size) continue;
      least[kind] = size;
      if (kind === 'text') smallest = words.slice(0, 40);
    }
  }

  // a picture may be smaller than its box (object-fit: contain)
  let figure = null, high = null;
  for (const node of slide.querySelectorAll('img, video, canvas')) {
    const box = node.getBoundingClientRect();
    if (!seen(node) || box.width < 100 || box.height < 60) continue;
    const own = [node.naturalWidth || node.videoWidth || node.width, node.naturalHeight || node.videoHeight || node.height];
    const ratio = own[0] && own[1] ? own[0] / own[1] : box.width / box.height;
    const width = Math.min(box.width, box.height * ratio) / innerWidth;
    if (figure === null || width > figure) {
      figure = width;
      high = Math.min(box.height, box.width / ratio) / innerHeight;
    }
  }
  // several small pictures in a row are one figure: what they cover together
  if (figure !== null) {
    for (const group of [...slide.querySelectorAll('.jp-OutputArea-output, .output')].filter(seen)) {
      const inside = [...group.querySelectorAll('img, video, canvas')].filter(seen)
        .map(node => node.getBoundingClientRect()).filter(box => box.width > 60);
      if (inside.length < 2) continue;
      const left = Math.min(...inside.map(box => box.left));
      const right = Math.max(...inside.map(box => box.right));
      figure = Math.max(figure, (right - left) / innerWidth);
    }
  }
  return {
    height: bottom - top + margin('Top') + margin('Bottom'),
    width: Math.max(innerWidth, ...boxes.map(box => box.right + margin('Right'))),
    ...least, smallest, figure, high,
  };
}
