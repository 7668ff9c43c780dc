// Opinions, live: x_i <- sum_j softmax_j(-(x_i - x_j)^2 / 2 tau) x_j, in a worker where one may be started.

/** One step. Edges are lists (ptr, col); without them everybody listens to everybody. Self-contained: it is also the worker's source. */
function opinionStep(x, out, tau, ptr, col) {
  const n = x.length, c = -1 / (2 * tau);
  for (let i = 0; i < n; i++) {
    const a = x[i];
    let total = 1, sum = a;
    if (ptr) {
      for (let e = ptr[i]; e < ptr[i + 1]; e++) if (col[e] !== i) { const b = x[col[e]], d = b - a, w = Math.exp(c * d * d); total += w; sum += w * b; }
    } else {
      for (let j = 0; j < n; j++) if (j !== i) { const b = x[j], d = b - a, w = Math.exp(c * d * d); total += w; sum += w * b; }
    }
    out[i] = sum / total;
  }
}
/** The worker: answers in slices of some 30 ms, and drops a run when a newer one is asked for. */
function opinionWorker(step) {
  let set, run = 0;
  self.onmessage = ({ data }) => {
    if (data.x) { set = data; return; }
    const mine = ++run, { x, steps, ptr, col } = set;
    let now = x, at = 0;
    (function slice() {
      if (mine !== run) return;
      const until = performance.now() + 30, parts = [];
      while (at < steps && (performance.now() < until || !parts.length)) { const next = new Float64Array(x.length); step(now, next, data.tau, ptr, col); now = next; at++; parts.push(Float32Array.from(next)); }
      self.postMessage({ tau: data.tau, from: at - parts.length + 1, parts });
      if (at < steps) setTimeout(slice, 0);
    })();
  };
}

kinds.opinions = (p, ctx) => {
  const x0 = Float64Array.from(flat(p.opinions)), n = x0.length, groups = p.groups ? [...new Set(p.groups)] : [], i = flat(p.i), j = flat(p.j);
  let ptr = null, col = null;
  if (i) {
    ptr = new Uint32Array(n + 1); col = new Uint32Array(i.length);
    for (const a of i) ptr[a + 1]++;
    for (let a = 0; a < n; a++) ptr[a + 1] += ptr[a];
    const fill = ptr.slice();
    i.forEach((a, e) => { col[fill[a]++] = j[e]; });
  }
  let path = [], tau = p.tau, chosen = null, canvas, svg, marks, at, waiting = 0, local = 0, worker = null, asked = false;
  const say = (v) => `τ = ${fmt(v)}`, out = h('output', null, say(tau));
  const slider = ctx.control('temperature', h('input', { type: 'range', min: -4, max: 1.5, step: .01, value: Math.log10(tau), 'aria-label': 'temperature tau', 'aria-valuetext': say(tau), input: () => { tau = 10 ** slider.value; out.textContent = say(tau); slider.setAttribute('aria-valuetext', say(tau)); if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; start(); }); } }));
  slider.after(out);
  ctx.button('reset', () => { slider.value = Math.log10(p.tau); slider.dispatchEvent(new Event('input')); }, 'Back to the temperature of the study');
  function receive({ tau: of, from, parts }) {
    if (of !== tau) return;
    if (from === 1) path = [Float32Array.from(x0)];
    path.push(...parts);
    paint(from);
    ctx.figure.dataset.steps = path.length - 1;
  }
  /** The worker starts at the first touch of the slider; the first drawing is made here in short slices. */
  function start() {
    if (asked && worker === null) {
      try {
        const url = URL.createObjectURL(new Blob([`(${opinionWorker})(${opinionStep})`], { type: 'text/javascript' }));
        worker = new Worker(url);
        worker.onmessage = (event) => receive(event.data);
        worker.onerror = (event) => { event.preventDefault(); worker = false; start(); };
        worker.postMessage({ x: x0, steps: p.steps, ptr, col });
      } catch { worker = false; }
    }
    const mine = ++local;
    if (worker) return worker.postMessage({ tau });
    let now = x0, done = 0;
    (function slice() {
      if (mine !== local) return;
      const until = performance.now() + 12, parts = [];
      while (done < p.steps && (performance.now() < until || !parts.length)) { const next = new Float64Array(n); opinionStep(now, next, tau, ptr, col); now = next; done++; parts.push(Float32Array.from(next)); }
      receive({ tau, from: done - parts.length + 1, parts });
      if (done < p.steps) requestAnimationFrame(slice);
    })();
  }
  /** Camps of more than 1 % of the people: groups in sorted order with a gap between them. */
  function camps(x) {
    const sorted = Array.from(x).sort((a, b) => a - b), gap = Math.max(1e-9, at.span * .02), out = [];
    let size = 1;
    for (let a = 1; a <= n; a++) { if (a < n && sorted[a] - sorted[a - 1] < gap) size++; else { out.push(size); size = 1; } }
    return out.filter((s) => s > n / 100);
  }
  function paint(from = 1) {
    if (!canvas || !path.length) return;
    const pen = canvas.getContext('2d'), dpr = devicePixelRatio || 1;
    pen.setTransform(dpr, 0, 0, dpr, 0, 0);
    if (from <= 1) pen.clearRect(0, 0, at.width, at.height);
    pen.globalAlpha = n > 800 ? .12 : n > 200 ? .28 : .55;
    pen.lineWidth = 1;
    const tints = ctx.ramp('diverging'), of = (a) => (groups.length ? ctx.series(groups.indexOf(p.groups[a])) : null), colours = Array.from({ length: n }, (_, a) => of(a));
    for (let a = 0; a < n; a++) {
      const t = (x0[a] - at.low) / (at.high - at.low || 1), side = t < .5 ? Math.round(t * 190) : Math.round(255 - (1 - t) * 190);
      pen.strokeStyle = colours[a] || css(tints[side]);
      pen.beginPath();
      for (let s = Math.max(0, from - 1); s < path.length; s++) pen[s === Math.max(0, from - 1) ? 'moveTo' : 'lineTo'](at.x(s), at.y(path[s][a]));
      pen.stroke();
    }
    const last = path.at(-1), bins = new Float64Array(48), peak = 1e-12;
    for (const v of last) bins[Math.max(0, Math.min(47, Math.floor(48 * (v - at.low) / (at.high - at.low || 1))))]++;
    const most = Math.max(peak, ...bins), tall = (at.bottom - at.top) / 48;
    marks.replaceChildren(...Array.from(bins, (v, b) => (v ? g('rect', { x: at.right + 8, y: round(at.bottom - (b + 1) * tall + .5), width: round(Math.max(1, v / most * at.hist)), height: round(Math.max(1, tall - 1)), class: 'weight' }) : null)).filter(Boolean),
      ...(chosen === null ? [] : [g('path', { d: 'M' + path.map((x, s) => `${round(at.x(s))} ${round(at.y(x[chosen]))}`).join('L'), class: 'line', stroke: ctx.colour('ink') })]));
    const sizes = camps(last);
    ctx.say(`${path.length - 1} steps at ${say(tau)}: ${sizes.length} ${sizes.length === 1 ? 'camp' : 'camps'}${sizes.length > 1 && sizes.length < 7 ? ` of ${sizes.join(', ')}` : ''} among ${n} people`);
  }
  function choose(a) {
    chosen = a;
    const x = path.at(-1), rows = [];
    let total = 0;
    for (let e = ptr ? ptr[a] : 0; e < (ptr ? ptr[a + 1] : n); e++) { const b = ptr ? col[e] : e; if (b !== a) { const v = Math.exp(-((x[a] - x[b]) ** 2) / (2 * tau)); rows.push({ name: `person ${b + 1}${groups.length ? ` · ${p.groups[b]}` : ''} at ${fmt(x[b])}`, at: b, weight: v }); total += v; } }
    rows.push({ name: 'oneself', weight: 1 });
    for (const row of rows) row.weight /= total + 1;
    ctx.side.replaceChildren(ranked(`person ${a + 1}${groups.length ? ` (${short(p.groups[a], 40)})` : ''}, at ${fmt(x[a])} after ${path.length - 1} steps, listens to`, rows, { go: choose }));
    paint(1e9);
  }
  function draw(width) {
    const height = Math.round(Math.max(220, Math.min(360, width * .5))), hist = width > 480 ? 70 : 40, dpr = devicePixelRatio || 1, [low, high] = extent(x0), pad = (high - low || 1) * .04;
    at = { width, height, top: 24, bottom: height - 34, right: width - hist - 12, hist, low: low - pad, high: high + pad, span: high - low };
    at.x = scale(0, p.steps, 46, at.right); at.y = scale(at.low, at.high, at.bottom, at.top);
    canvas = h('canvas', { width: width * dpr, height: height * dpr, style: { width: `${width}px`, height: `${height}px` } });
    svg = canvasSvg(width, height, `${p.title}: opinions of ${n} people over ${p.steps} steps`, ticks(low, high, 4).map((v) => g('g', null, g('path', { d: `M46 ${round(at.y(v))}H${at.right}`, class: 'grid' }), text(39, at.y(v) + 4, fmt(v), { class: 'tick', 'text-anchor': 'end' }))),
      ticks(0, p.steps, width / 110).filter((v) => v % 1 === 0).map((v) => text(at.x(v), at.bottom + 17, fmt(v), { class: 'tick', 'text-anchor': 'middle' })), text(0, 14, p.unit ? `opinion (${p.unit})` : 'opinion', { class: 'axisname' }), text(at.right, height - 3, 'step', { class: 'axisname', 'text-anchor': 'end' }), marks = g('g'));
    make(svg, { tabindex: 0, pointerdown: (event) => { if (!path.length) return; const b = svg.getBoundingClientRect(), s = Math.max(0, Math.min(path.length - 1, Math.round((event.clientX - b.left - 46) / (at.right - 46) * p.steps))), my = event.clientY - b.top; let best = 0; for (let a = 1; a < n; a++) if (Math.abs(at.y(path[s][a]) - my) < Math.abs(at.y(path[s][best]) - my)) best = a; choose(best); },
      keydown: (event) => { const by = { ArrowUp: 1, ArrowDown: -1 }[event.key]; if (by && path.length) { event.preventDefault(); choose(((chosen ?? -by) + by + n) % n); } } }, []);
    ctx.body.replaceChildren(...[groups.length > 1 && groups.length < 13 ? h('div', { class: 'legend' }, groups.map((group, k) => h('span', { style: { color: ctx.series(k) } }, '● ', h('bdi', null, short(group, 40))))) : null, h('div', { class: 'stack', style: { height: `${height}px` } }, canvas, svg)].filter(Boolean));
    if (path.length) paint(); else { start(); asked = true; }
  }
  return { draw, csv: () => [['person', ...(groups.length ? ['group'] : []), ...path.map((_, s) => `step ${s}`)], ...Array.from(x0, (_, a) => [a + 1, ...(groups.length ? [p.groups[a]] : []), ...path.map((x) => x[a])])] };
};
