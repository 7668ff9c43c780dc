// Pictures on a grid of cells: matrix, slice with provenance, map swipe.

/** Paint an 8-bit image into a new canvas: grey, colour, or a ramp whose strength is its opacity. */
function raster(image, colours = null, alpha = null) {
  const [height, width, bands] = image.s, data = flat(image), canvas = h('canvas', { width, height }), paint = canvas.getContext('2d'), out = paint.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const v = bands ? 0 : data[i], t = Math.min(254, v), c = bands ? [data[3 * i], data[3 * i + 1], data[3 * i + 2]] : colours ? colours[Math.round(t * 255 / 254)] : [t, t, t];
    out.data.set([c[0], c[1], c[2], (bands ? c[0] : v) === 255 ? 0 : alpha ? 255 * alpha(t / 254) : 255], 4 * i);
  }
  paint.putImageData(out, 0, 0);
  return canvas;
}
const at8 = (image, data, i) => (data[i] === 255 ? NaN : image.low + (image.high - image.low) * data[i] / 254);
const clear = (t) => (t <= 0 ? 0 : Math.min(.85, .25 + .75 * t));

kinds.matrix = (p, ctx) => {
  const values = flat(p.values), R = p.rows.length, C = p.columns.length, marks = p.marks ? flat(p.marks) : [], marked = new Set();
  for (let i = 0; i < marks.length; i += 2) marked.add(marks[i] * C + marks[i + 1]);
  const ends = extent(values), top = Math.max(Math.abs(ends[0]), Math.abs(ends[1])) || 1, [low, high] = p.signed ? [-top, top] : [Math.min(0, ends[0]), ends[1] || 1];
  let spot = [0, 0];
  function draw(width) {
    const named = Math.min(width * .3, Math.max(...p.rows.slice(0, 400).map((name) => measure(short(name, 60), 11)))) + 10, room = Math.max(80, width - named - 6);
    const cell = Math.max(room / Math.max(C, 1) < 1 ? room / C : 1, Math.min(C > 60 ? 12 : 46, Math.max(Math.floor(room / C), 1), R > 40 ? Math.max(2, Math.floor(620 / R)) : 46));
    const cw = cell * C > room ? room / C : cell, ch = R < 4 ? Math.max(cell, 28) : cw < 14 && R < 30 ? Math.max(cw, 16) : cw;
    const across = Math.max(0, ...p.columns.slice(0, 400).map((name) => measure(short(name, 40), 11))), flatNames = across < cw - 4, evenly = !flatNames && across < 40;
    const head = (flatNames || (evenly && cw < 12) ? 18 : Math.min(110, across * .82 + 14)) + (p.column_label ? 18 : 0), w = cw * C, tall = ch * R, dpr = devicePixelRatio || 1;
    const colours = ctx.ramp(p.signed ? 'diverging' : 'magnitude'), canvas = h('canvas', { width: Math.round(w * dpr), height: Math.round(tall * dpr), style: { left: `${named}px`, top: `${head}px`, width: `${w}px`, height: `${tall}px` } }), paint = canvas.getContext('2d');
    const colourOf = (v) => colours[Math.max(0, Math.min(255, Math.round(255 * (v - low) / (high - low || 1))))];
    const gapless = cw < 6 ? 0 : .5;
    for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) {
      const v = values[r * C + c];
      if (Number.isNaN(v)) continue;
      paint.fillStyle = css(colourOf(v));
      paint.fillRect((c * cw + gapless) * dpr, (r * ch + gapless) * dpr, (cw - 2 * gapless) * dpr + (gapless ? 0 : .6), (ch - 2 * gapless) * dpr + (gapless ? 0 : .6));
    }
    const written = R * C <= 260 && cw >= 30, stepR = Math.max(1, Math.ceil(12 / ch)), stepC = flatNames ? 1 : Math.max(1, Math.ceil((cw < 12 && evenly ? across + 8 : 13) / cw));
    const names = p.columns.map((name, c) => { if (c % stepC) return null; const x = named + (c + .5) * cw, y = head - 6; return flatNames || (evenly && cw < 12) ? text(x, y, short(name, 40), { class: 'tick', 'text-anchor': 'middle' }) : g('text', { transform: `translate(${round(x + 3)} ${y}) rotate(-55)`, class: 'tick' }, fit(name, 118, 11)); });
    const svg = canvasSvg(width, Math.ceil(head + tall + 6 + (p.row_label ? 16 : 0)), `${p.title}: ${R} rows by ${C} columns`,
      p.column_label ? text(named, 12, fit(p.column_label + ' →', width - named, 12), { class: 'axisname' }) : null, p.row_label ? text(0, head + tall + 16, fit('↑ ' + p.row_label, width, 12), { class: 'axisname' }) : null,
      names, p.rows.map((name, r) => (r % stepR ? null : text(named - 7, head + (r + .5) * ch + 4, fit(name, named - 8, 11), { class: 'tick', 'text-anchor': 'end' }))),
      written ? Array.from(values, (v, i) => (Number.isNaN(v) ? null : text(named + (i % C + .5) * cw, head + (Math.floor(i / C) + .5) * ch + 4, fmt(v, 2), { 'text-anchor': 'middle', 'font-size': 10.5, fill: inkOn(colourOf(v)) }))) : null,
      [...marked].map((i) => g('rect', { x: round(named + (i % C) * cw + .8), y: round(head + Math.floor(i / C) * ch + .8), width: Math.max(2, round(cw - 1.6)), height: Math.max(2, round(ch - 1.6)), class: 'ring' })),
      g('rect', { class: 'cursorcell', width: round(cw), height: round(ch), visibility: 'hidden' }));
    const box = svg.querySelector('.cursorcell');
    const tell = (r, c) => {
      spot = [Math.max(0, Math.min(R - 1, r)), Math.max(0, Math.min(C - 1, c))];
      make(box, { x: round(named + spot[1] * cw), y: round(head + spot[0] * ch), visibility: 'visible' }, []);
      ctx.say(`${short(p.rows[spot[0]], 60)} ${p.row_label && p.column_label ? '×' : '·'} ${short(p.columns[spot[1]], 60)}: ${withUnit(fmt(values[spot[0] * C + spot[1]]), p.unit)}${marked.has(spot[0] * C + spot[1]) ? ' (marked)' : ''}`);
    };
    const point = (event) => { const b = svg.getBoundingClientRect(), c = Math.floor((event.clientX - b.left - named) / cw), r = Math.floor((event.clientY - b.top - head) / ch); if (r >= 0 && r < R && c >= 0 && c < C) tell(r, c); };
    make(svg, { tabindex: 0, pointermove: point, pointerdown: point, keydown: (event) => { const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key]; if (by) { event.preventDefault(); tell(spot[0] + by[0], spot[1] + by[1]); } } }, []);
    ctx.body.replaceChildren(colourKey(ctx, p.signed ? 'diverging' : 'magnitude', low, high, p.unit), h('div', { class: 'stack' }, canvas, svg));
  }
  return { draw, csv: () => [['', ...p.columns], ...p.rows.map((name, r) => [name, ...values.slice(r * C, r * C + C)])] };
};

/** A canvas under an SVG that zoom and pan together; what lies in image pixels is placed by `place`. */
function viewport(ctx, width0, height0, label, paintOn) {
  let zoom = 1, cx = .5, cy = .5, drag = null, canvas, svg, W, H;
  const view = { place: (x, y) => [W / 2 + (x / width0 - cx) * W * zoom, H / 2 + (y / height0 - cy) * H * zoom],
    pixel: (event) => { const b = svg.getBoundingClientRect(); return [((event.clientX - b.left - W / 2) / (W * zoom) + cx) * width0, ((event.clientY - b.top - H / 2) / (H * zoom) + cy) * height0]; },
    get size() { return W * zoom / width0; } };
  function set(z, x, y) {
    zoom = Math.max(1, Math.min(24, z));
    const m = .5 / zoom;
    cx = Math.max(m, Math.min(1 - m, x)); cy = Math.max(m, Math.min(1 - m, y));
    paint();
  }
  function paint() {
    const dpr = devicePixelRatio || 1, pen = canvas.getContext('2d');
    canvas.width = W * dpr; canvas.height = H * dpr;
    pen.imageSmoothingEnabled = view.size * dpr < 1;
    const [x, y] = view.place(0, 0);
    pen.setTransform(dpr * W * zoom / width0, 0, 0, dpr * H * zoom / height0, x * dpr, y * dpr);
    svg.replaceChildren(...[paintOn(pen, view)].flat(9).filter(Boolean));
  }
  view.draw = (width) => {
    W = Math.round(Math.min(width, 620, 620 * width0 / height0)); H = Math.round(W * height0 / width0);
    canvas = h('canvas', { style: { width: `${W}px`, height: `${H}px` } });
    svg = canvasSvg(W, H, label);
    make(svg, { tabindex: 0, class: 'zoomable',
      wheel: (event) => { if (!event.ctrlKey && zoom === 1 && event.deltaY > 0) return; event.preventDefault(); const [px, py] = view.pixel(event), z = Math.max(1, Math.min(24, zoom * Math.exp(-event.deltaY / 300))), k = zoom / z; set(z, px / width0 + (cx - px / width0) * k, py / height0 + (cy - py / height0) * k); },
      pointerdown: (event) => { drag = [event.clientX, event.clientY, cx, cy, false]; if (view.grab?.(event)) drag = null; else svg.setPointerCapture(event.pointerId); },
      pointermove: (event) => { if (!drag) return view.hover?.(event); if (Math.hypot(event.clientX - drag[0], event.clientY - drag[1]) > 4) drag[4] = true; if (drag[4] && zoom > 1) set(zoom, drag[2] - (event.clientX - drag[0]) / (W * zoom), drag[3] - (event.clientY - drag[1]) / (H * zoom)); },
      pointerup: (event) => { if (drag && !drag[4]) view.click?.(event); drag = null; },
      keydown: (event) => { const by = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (by) { event.preventDefault(); if (!view.step?.(...by)) set(zoom, cx + by[0] * .1 / zoom, cy + by[1] * .1 / zoom); } else if (event.key === '+' || event.key === '=') set(zoom * 1.5, cx, cy); else if (event.key === '-') set(zoom / 1.5, cx, cy); } }, []);
    paint();
    return h('div', { class: 'stack', style: { width: `${W}px`, height: `${H}px` } }, canvas, svg);
  };
  view.paint = () => svg && paint();
  ctx.button('−', () => set(zoom / 1.6, cx, cy), 'Zoom out');
  ctx.button('+', () => set(zoom * 1.6, cx, cy), 'Zoom in');
  return view;
}
const range = (value, attrs) => h('input', { type: 'range', min: 0, max: 1, step: .01, value, ...attrs });

kinds.slice = (p, ctx) => {
  const [H, W] = p.image.s, step = p.step || 1, data = flat(p.image), over = p.overlay && flat(p.overlay), base = raster(p.image), heat = p.overlay && raster(p.overlay, ctx.ramp('heat'), clear);
  const edges = p.outlines.map((o) => { let d = '', i = 0, on = false; const mask = new Uint8Array(H * W); for (const n of o.runs) { if (on) mask.fill(1, i, i + n); i += n; on = !on; }
    const inside = (x, y) => x >= 0 && y >= 0 && x < W && y < H && mask[y * W + x];
    return { name: o.name, segments: (() => { const out = []; for (let y = 0; y <= H; y++) for (let x = 0; x <= W; x++) { if (inside(x, y) !== inside(x, y - 1) && x < W && (inside(x, y) || inside(x, y - 1))) out.push([x, y, x + 1, y]); if (inside(x, y) !== inside(x - 1, y) && y < H && (inside(x, y) || inside(x - 1, y))) out.push([x, y, x, y + 1]); } return out; })() }; });
  const src = p.sources && { pixel: flat(p.sources.pixel), source: flat(p.sources.source), weight: flat(p.sources.weight), contribution: flat(p.sources.contribution) };
  const count = src ? src.pixel.length / 2 : 0, k = count ? src.weight.length / count : 0;
  let strength = .8, chosen = -1, reverse = null;
  const spot = (i) => [(src.pixel[2 * i + 1] + .5) / step, (src.pixel[2 * i] + .5) / step], from = (m) => [(src.source[2 * m + 1] + .5) / step, (src.source[2 * m] + .5) / step];
  const title = (r, c) => `row ${r}, column ${c}`, value = (x, y) => { const i = Math.floor(y) * W + Math.floor(x); return `${withUnit(fmt(at8(p.image, data, i)), p.unit)}${over ? `, ${p.overlay_label || 'overlay'} ${fmt(at8(p.overlay, over, i))}` : ''}`; };
  const view = viewport(ctx, W, H, `${p.title}: image of ${p.shape[0]} by ${p.shape[1]} pixels`, (pen, view) => {
    pen.drawImage(base, 0, 0);
    if (heat) { pen.globalAlpha = strength; pen.drawImage(heat, 0, 0); pen.globalAlpha = 1; }
    const line = ([x1, y1, x2, y2]) => { const [a, b] = view.place(x1, y1), [c, d] = view.place(x2, y2); return `M${round(a)} ${round(b)}L${round(c)} ${round(d)}`; };
    const peak = k ? Math.max(1e-12, extent(src.weight)[1]) : 1, rays = [];
    if (chosen >= 0) for (let m = chosen * k; m < chosen * k + k; m++) if (src.source[2 * m] >= 0) rays.push([from(m), spot(chosen), src.weight[m]]);
    if (reverse) for (const m of reverse) rays.push([from(m), spot(Math.floor(m / k)), src.weight[m]]);
    const dots = chosen < 0 && !reverse ? [...Array(Math.min(count, 1500)).keys()].map((i) => view.place(...spot(i))) : [];
    return [edges.map((e, i) => { const d = e.segments.map(line).join(''), label = e.segments[0] && view.place(e.segments[0][0], e.segments[0][1]); return [g('path', { d, class: 'halo' }), g('path', { d, fill: 'none', stroke: ['#ffd24a', '#5fd3ff', '#ff9df0', '#9dff9d'][i % 4], 'stroke-width': 1.6 }), label && text(Math.min(label[0], 500), Math.max(12, label[1] - 5), short(e.name, 40), { class: 'onimage' })]; }),
      dots.map(([x, y]) => g('circle', { cx: round(x), cy: round(y), r: 2.2, class: 'pick' })),
      rays.map(([a, b, w]) => { const [x1, y1] = view.place(...a), [x2, y2] = view.place(...b); return [g('path', { d: `M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}`, class: 'ray', 'stroke-opacity': .2 + .6 * w / peak }), g('circle', { cx: round(x1), cy: round(y1), r: round(2 + 8 * Math.sqrt(Math.max(0, w) / peak)), class: 'origin' })]; }),
      chosen >= 0 ? (() => { const [x, y] = view.place(...spot(chosen)); return g('circle', { cx: round(x), cy: round(y), r: 5, class: 'target' }); })() : null];
  });
  function choose(i) {
    chosen = i; reverse = null;
    view.paint();
    const r = src.pixel[2 * i], c = src.pixel[2 * i + 1], rows = [], back = [];
    for (let m = i * k; m < i * k + k; m++) if (src.source[2 * m] >= 0) rows.push({ name: title(src.source[2 * m], src.source[2 * m + 1]), weight: src.weight[m], contribution: src.contribution?.[m], at: m });
    for (let m = 0; m < count * k; m++) if (src.source[2 * m] === r && src.source[2 * m + 1] === c) back.push({ name: title(src.pixel[2 * Math.floor(m / k)], src.pixel[2 * Math.floor(m / k) + 1]), weight: src.weight[m], at: m });
    ctx.side.replaceChildren(ranked(`${title(r, c)} attends to`, rows, { unit: p.unit, go: origin }), back.length ? ranked('attended to by', back, { go: (m) => choose(Math.floor(m / k)) }) : '');
    ctx.say(`${title(r, c)}: ${value((c + .5) / step, (r + .5) / step)}`);
  }
  function origin(m0) {
    const r = src.source[2 * m0], c = src.source[2 * m0 + 1];
    reverse = []; chosen = -1;
    for (let m = 0; m < count * k; m++) if (src.source[2 * m] === r && src.source[2 * m + 1] === c) reverse.push(m);
    view.paint();
    ctx.side.replaceChildren(ranked(`${title(r, c)} is attended to by`, reverse.map((m) => ({ name: title(src.pixel[2 * Math.floor(m / k)], src.pixel[2 * Math.floor(m / k) + 1]), weight: src.weight[m], at: Math.floor(m / k) })), { go: choose }));
  }
  view.hover = (event) => { const [x, y] = view.pixel(event); if (x >= 0 && y >= 0 && x < W && y < H) ctx.say(`${title(Math.floor(y * step), Math.floor(x * step))}: ${value(x, y)}`); };
  view.click = (event) => {
    if (!count) return;
    const [x, y] = view.pixel(event);
    let best = 0, far = Infinity;
    for (let i = 0; i < count; i++) { const [a, b] = spot(i), d = (a - x) ** 2 + (b - y) ** 2; if (d < far) { far = d; best = i; } }
    for (let m = 0, near = far; m < count * k; m++) if (src.source[2 * m] >= 0 && (reverse || chosen >= 0)) { const [a, b] = from(m), d = (a - x) ** 2 + (b - y) ** 2; if (d < near && d * view.size ** 2 < 100) return origin(m); }
    choose(best);
  };
  view.step = (dx, dy) => { if (!count) return false; const [x, y] = spot(Math.max(0, chosen)); let best = -1, far = Infinity; for (let i = 0; i < count; i++) { const [a, b] = spot(i), ahead = (a - x) * dx + (b - y) * dy, aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx); if (ahead > .01 && ahead + 3 * aside < far) { far = ahead + 3 * aside; best = i; } } if (best >= 0 || chosen < 0) choose(Math.max(0, best)); return true; };
  if (heat) { const slider = ctx.control('overlay', range(.8, { 'aria-label': 'overlay strength', input: () => { strength = Number(slider.value); view.paint(); } })); }
  function draw(width) {
    ctx.body.replaceChildren(view.draw(width), ...(p.overlay ? [colourKey(ctx, 'heat', p.overlay.low, p.overlay.high, p.overlay_label || 'overlay')] : []));
    ctx.say([count && `click one of the ${count} points, or press an arrow key, to see where it comes from`, step > 1 && `shown as means of ${step} × ${step} pixels`].filter(Boolean).join('; '));
  }
  return { draw, csv: () => (src ? [['row', 'column', 'source row', 'source column', 'weight', 'contribution'], ...Array.from(src.weight, (w, m) => [src.pixel[2 * Math.floor(m / k)], src.pixel[2 * Math.floor(m / k) + 1], src.source[2 * m], src.source[2 * m + 1], w, src.contribution?.[m]])]
    : [['row', 'column', `value${p.unit ? ` (${p.unit})` : ''}`, p.overlay_label || 'overlay'], ...Array.from(data, (_, i) => [Math.floor(i / W) * step, i % W * step, at8(p.image, data, i), over ? at8(p.overlay, over, i) : null])]) };
};

kinds.swipe = (p, ctx) => {
  const [H, W] = p.left.s, left = raster(p.left), right = raster(p.right), layers = p.layers.map((l) => ({ ...l, codes: flat(l.values), canvas: raster(l.values, ctx.ramp('heat'), clear) }));
  let divide = .5, layer = -1, strength = .8;
  const view = viewport(ctx, W, H, `${p.title}: ${p.left_label} against ${p.right_label}`, (pen, view) => {
    const [x0] = view.place(0, 0), [x1] = view.place(W, 0), cut = (parseFloat(pen.canvas.style.width) * divide - x0) / (x1 - x0) * W, whole = parseFloat(pen.canvas.style.width), tall = parseFloat(pen.canvas.style.height);
    pen.drawImage(right, 0, 0);
    pen.save(); pen.beginPath(); pen.rect(-W, -H, W + cut, 3 * H); pen.clip(); pen.clearRect(0, 0, W, H); pen.drawImage(left, 0, 0); pen.restore();
    if (layer >= 0) { pen.globalAlpha = strength; pen.drawImage(layers[layer].canvas, 0, 0); pen.globalAlpha = 1; }
    const x = round(whole * divide);
    return [g('path', { d: `M${x} 0V${tall}`, class: 'halo' }), g('path', { d: `M${x} 0V${tall}`, stroke: '#fff', 'stroke-width': 1.5 }), g('circle', { cx: x, cy: tall / 2, r: 9, class: 'handle' }), text(x, tall / 2 + 4, '↔', { 'text-anchor': 'middle', 'font-size': 11, fill: '#14161a' }),
      divide > .12 ? text(8, 18, fit(p.left_label, whole * divide - 14, 12), { class: 'onimage' }) : null, divide < .88 ? text(whole - 8, 18, fit(p.right_label, whole * (1 - divide) - 14, 12), { class: 'onimage', 'text-anchor': 'end' }) : null];
  });
  let moving = false;
  const slider = ctx.control('divide', range(.5, { 'aria-label': 'place of the divide', input: () => { divide = Number(slider.value); view.paint(); } }));
  view.grab = (event) => { const b = event.currentTarget.getBoundingClientRect(); moving = Math.abs(event.clientX - b.left - b.width * divide) < 16; if (moving) event.currentTarget.setPointerCapture(event.pointerId); return moving; };
  view.hover = (event) => {
    const b = event.currentTarget.getBoundingClientRect();
    if (moving && event.buttons) { divide = Math.max(0, Math.min(1, (event.clientX - b.left) / b.width)); slider.value = divide; view.paint(); return; }
    moving = false;
    const [x, y] = view.pixel(event), i = Math.floor(y) * W + Math.floor(x);
    if (layer >= 0 && x >= 0 && y >= 0 && x < W && y < H) ctx.say(`row ${Math.floor(y * p.step)}, column ${Math.floor(x * p.step)}: ${layers[layer].name} ${fmt(at8(layers[layer].values, layers[layer].codes, i))}`);
  };
  if (layers.length) {
    const pick = ctx.control('layer', h('select', { change: () => { layer = Number(pick.value); draw(ctx.width); } }, h('option', { value: -1 }, 'none'), layers.map((l, i) => h('option', { value: i }, short(l.name, 40)))));
    const alpha = ctx.control('strength', range(.8, { 'aria-label': 'layer strength', input: () => { strength = Number(alpha.value); view.paint(); } }));
  }
  function draw(width) {
    ctx.body.replaceChildren(view.draw(width), ...(layer >= 0 ? [colourKey(ctx, 'heat', layers[layer].values.low, layers[layer].values.high, layers[layer].name)] : []));
    if (p.step > 1) ctx.say(`shown as means of ${p.step} × ${p.step} pixels`);
  }
  return { draw, csv: () => { const bands = p.left.s[2] || 1, a = flat(p.left), b = flat(p.right); return [['row', 'column', ...[p.left_label, p.right_label].flatMap((name) => (bands > 1 ? ['red', 'green', 'blue'].map((c) => `${name} ${c}`) : [name])), ...layers.map((l) => l.name)],
    ...Array.from({ length: W * H }, (_, i) => [Math.floor(i / W) * p.step, i % W * p.step, ...[[p.left, a], [p.right, b]].flatMap(([image, d]) => (image.s[2] ? [0, 1, 2].map((c) => at8(image, d, 3 * i + c)) : [at8(image, d, i)])), ...layers.map((l) => at8(l.values, l.codes, i))])]; } };
};
