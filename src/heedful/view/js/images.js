// Pictures on a grid of cells: matrix, slice with provenance, map swipe.

/** Paint an 8-bit image into a new canvas: grey, colour, or a ramp whose strength is its opacity; 255 is missing. */
function raster(image, colours) {
  const [height, width, bands = 1] = image.s, data = flat(image), canvas = h('canvas', { width, height }), pen = canvas.getContext('2d'), out = pen.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const v = data[i * bands], t = v / 254, c = colours ? colours[Math.round(t * 255)] || [] : bands > 1 ? data.subarray(3 * i, 3 * i + 3) : [v, v, v];
    out.data.set([...c, v === 255 ? 0 : !colours ? 255 : t > 0 ? 255 * Math.min(.85, .25 + .75 * t) : 0], 4 * i);
  }
  pen.putImageData(out, 0, 0);
  return canvas;
}
/** The value behind an 8-bit step. */
const grey = (image, data, i) => (data[i] === 255 ? NaN : image.low + (image.high - image.low) * data[i] / 254);
const spotName = (r, c) => `row ${r}, column ${c}`;

kinds.matrix = (p, ctx) => {
  const values = flat(p.values), R = p.rows.length, C = p.columns.length, listed = p.marks ? flat(p.marks) : [], marked = new Set(count(listed.length / 2).map((i) => listed[2 * i] * C + listed[2 * i + 1]));
  const ends = extent(values), top = Math.max(Math.abs(ends[0]), Math.abs(ends[1])) || 1, [low, high] = p.signed ? [-top, top] : [Math.min(0, ends[0]), ends[1] || 1], key = p.signed ? 'diverging' : 'magnitude';
  const places = clamp(1 - Math.floor(Math.log10(top)), 0, 6), wide = (names, n) => Math.max(0, ...names.map((text) => measure(short(text, n), 11)));
  function draw(width) {
    const left = Math.min(width * .3, wide(p.rows, 60)) + 10, room = Math.max(80, width - left - 6), cw = Math.min(room / C, C > 60 ? 12 : 46, R > 40 ? Math.max(2, 620 / R) : 46), ch = R < 4 ? Math.max(cw, 28) : cw < 14 && R < 30 ? 16 : cw;
    const across = wide(p.columns, 40), level = across < cw - 4 || (across < 40 && cw < 12), y0 = (level ? 18 : Math.min(110, across * .82 + 14)) + (p.column_label ? 18 : 0), w = cw * C, tall = ch * R, dpr = devicePixelRatio || 1, gap = cw < 14 ? 0 : .5;
    const colours = ctx.ramp(key), tint = (v) => colours[clamp(Math.round(255 * (v - low) / (high - low || 1)), 0, 255)], px = (v) => Math.round(v * dpr);
    const canvas = h('canvas', { width: px(w), height: px(tall), style: { left: `${left}px`, top: `${y0}px`, width: `${w}px`, height: `${tall}px` } }), pen = canvas.getContext('2d');
    values.forEach((v, i) => { if (Number.isNaN(v)) return; const x = i % C * cw, y = Math.floor(i / C) * ch; pen.fillStyle = css(tint(v)); pen.fillRect(px(x + gap), px(y + gap), px(x + cw - gap) - px(x + gap), px(y + ch - gap) - px(y + gap)); });
    const cell = (i) => [left + i % C * cw, y0 + Math.floor(i / C) * ch], written = R * C <= 260 && cw >= 30, stepR = Math.ceil(12 / ch), stepC = Math.ceil((!level ? 13 : cw < 12 ? across + 8 : 1) / cw), box = stroke('cursorcell', '', { visibility: 'hidden' });
    const ring = (i) => { const [x, y] = cell(i); return d`M${x + .8} ${y + .8}h${cw - 1.6}v${ch - 1.6}h${1.6 - cw}z`; };
    const svg = sheet(width, Math.ceil(y0 + tall + 6 + (p.row_label ? 16 : 0)), `${p.title}: ${R} rows by ${C} columns`,
      p.column_label && label(left, 12, fit(p.column_label + ' →', width - left)), p.row_label && label(0, y0 + tall + 16, fit('↑ ' + p.row_label, width)),
      p.columns.map((text, c) => c % stepC ? null : level ? label(left + (c + .5) * cw, y0 - 6, short(text, 40), 'tick', 'middle') : label(0, 0, fit(text, 118, 11), 'tick', 'start', { transform: d`translate(${left + (c + .5) * cw + 3} ${y0 - 6}) rotate(-55)` })),
      p.rows.map((text, r) => (r % stepR ? null : label(left - 7, y0 + (r + .5) * ch + 4, fit(text, left - 8, 11), 'tick', 'end'))),
      written ? Array.from(values, (v, i) => (Number.isNaN(v) ? null : label(cell(i)[0] + cw / 2, cell(i)[1] + ch / 2 + 4, v.toFixed(places).replace(/^-(?=0\.?0*$)/, '').replace('-', '−'), null, 'middle', { style: { fill: inkOn(tint(v)), 'font-size': '10.5px' } }))) : null,
      g('path', { d: [...marked].map(ring).join(''), class: 'ring' }), box);
    let at = null;
    const tell = (r, c) => {
      const i = (at = clamp(r, 0, R - 1) * C + clamp(c, 0, C - 1));
      make(box, { d: ring(i), visibility: 'visible' }, []);
      ctx.say(`${short(p.rows[Math.floor(i / C)])} × ${short(p.columns[i % C])}: ${withUnit(fmt(values[i]), p.unit)}${marked.has(i) ? ' (marked)' : ''}`);
    };
    const point = (event) => { const [x, y] = local(event, svg), r = Math.floor((y - y0) / ch), c = Math.floor((x - left) / cw); if (r >= 0 && r < R && c >= 0 && c < C) tell(r, c); };
    make(svg, { pointermove: point, pointerdown: point }, []);
    onArrows(svg, (dx, dy) => tell(at === null ? 0 : Math.floor(at / C) + dy, at === null ? 0 : at % C + dx));
    ctx.put(colourKey(ctx, key, low, high, p.unit), h('div', { class: 'stack' }, canvas, svg));
  }
  return { draw, csv: () => [['', ...p.columns], ...p.rows.map((text, r) => [text, ...values.slice(r * C, r * C + C)])] };
};

/** A canvas under an SVG that zoom and pan together. paint(pen, view) draws the image in its own pixels and returns what lies over it, placed by view.place. */
function viewport(ctx, w, H0, about, paintOn) {
  let zoom = 1, cx = .5, cy = .5, drag = null, canvas, svg;
  const view = { width: 1, height: 1, place: (x, y) => [view.width * (.5 + (x / w - cx) * zoom), view.height * (.5 + (y / H0 - cy) * zoom)],
    pixel: (event) => { const [x, y] = local(event, svg); return [((x / view.width - .5) / zoom + cx) * w, ((y / view.height - .5) / zoom + cy) * H0]; },
    inside: (event) => { const [x, y] = view.pixel(event).map(Math.floor); return x >= 0 && y >= 0 && x < w && y < H0 ? y * w + x : -1; } };
  function set(to, x, y) {
    zoom = clamp(to, 1, 24);
    [cx, cy] = [x, y].map((v) => clamp(v, .5 / zoom, 1 - .5 / zoom));
    view.paint();
  }
  view.paint = () => {
    if (!svg) return;
    const dpr = devicePixelRatio || 1, pen = canvas.getContext('2d'), [x, y] = view.place(0, 0), k = view.width * zoom / w;
    make(canvas, { width: view.width * dpr, height: view.height * dpr }, []);
    pen.imageSmoothingEnabled = k * dpr < 1;
    pen.setTransform(dpr * k, 0, 0, dpr * k, x * dpr, y * dpr);
    svg.replaceChildren(...[paintOn(pen, k)].flat(9).filter(Boolean));
  };
  view.draw = (width) => {
    view.width = Math.round(Math.min(width, 620, 620 * w / H0));
    view.height = Math.round(view.width * H0 / w);
    const style = { width: `${view.width}px`, height: `${view.height}px` };
    canvas = h('canvas', { style });
    svg = make(sheet(view.width, view.height, about), { class: 'zoomable',
      wheel: (event) => { if (zoom === 1 && event.deltaY > 0) return; event.preventDefault(); const [x, y] = view.pixel(event), to = clamp(zoom * Math.exp(-event.deltaY / 300), 1, 24), k = zoom / to; set(to, x / w + (cx - x / w) * k, y / H0 + (cy - y / H0) * k); },
      pointerdown: (event) => { drag = view.grab?.(event) ? null : [event.clientX, event.clientY, cx, cy]; svg.setPointerCapture(event.pointerId); },
      pointermove: (event) => { if (!drag) return view.hover?.(event); const dx = event.clientX - drag[0], dy = event.clientY - drag[1]; drag.moved ||= Math.hypot(dx, dy) > 4; if (drag.moved && zoom > 1) set(zoom, drag[2] - dx / (view.width * zoom), drag[3] - dy / (view.height * zoom)); },
      pointerup: (event) => { if (drag && !drag.moved) view.click?.(event); drag = null; } }, []);
    onArrows(svg, (dx, dy) => view.step?.(dx, dy) || set(zoom, cx + dx * .1 / zoom, cy + dy * .1 / zoom));
    view.paint();
    return h('div', { class: 'stack', style }, canvas, svg);
  };
  ctx.button('−', 'Zoom out', () => set(zoom / 1.6, cx, cy));
  ctx.button('+', 'Zoom in', () => set(zoom * 1.6, cx, cy));
  return view;
}
function drawLayer(pen, canvas, strength) {
  pen.globalAlpha = strength;
  pen.drawImage(canvas, 0, 0);
  pen.globalAlpha = 1;
}

/** The sides of pixels where a run-length mask ends, as [x1, y1, x2, y2]. */
function edgesOf(runs, W, H) {
  const mask = new Uint8Array(W * H), out = [], on = (x, y) => x >= 0 && y >= 0 && x < W && y < H && mask[y * W + x] > 0;
  runs.reduce((at, n, i) => { if (i % 2) mask.fill(1, at, at + n); return at + n; }, 0);
  for (let y = 0; y <= H; y++) for (let x = 0; x <= W; x++) {
    if (on(x, y) !== on(x, y - 1)) out.push([x, y, x + 1, y]);
    if (on(x, y) !== on(x - 1, y)) out.push([x, y, x, y + 1]);
  }
  return out;
}

kinds.slice = (p, ctx) => {
  const [H, W] = p.image.s, step = p.step, data = flat(p.image), over = p.overlay && flat(p.overlay), base = raster(p.image), heat = over && raster(p.overlay, ctx.ramp('heat'));
  const edges = p.outlines.map((o) => [o.name, edgesOf(o.runs, W, H)]), [pixel, source, weight, adds] = ['pixel', 'source', 'weight', 'contribution'].map((key) => flat(p.sources?.[key]) || []), P = pixel.length / 2, k = P ? weight.length / P : 0;
  const all = count(weight.length).filter((m) => source[2 * m] >= 0), peak = Math.max(1e-12, extent(weight)[1]), owner = (m) => Math.floor(m / k);
  const centre = (list) => (i) => [(list[2 * i + 1] + .5) / step, (list[2 * i] + .5) / step], target = centre(pixel), origin = centre(source), called = (list, i) => spotName(list[2 * i], list[2 * i + 1]);
  let strength = .8, shown = [], chosen = -1;
  const said = (i) => withUnit(fmt(grey(p.image, data, i)), p.unit) + (over ? `, ${p.overlay_label || 'overlay'} ${fmt(grey(p.overlay, over, i))}` : '');
  const view = viewport(ctx, W, H, `${p.title}: image of ${p.shape[0]} by ${p.shape[1]} pixels`, (pen) => {
    pen.drawImage(base, 0, 0);
    if (heat) drawLayer(pen, heat, strength);
    const line = ([x1, y1, x2, y2]) => d`M${view.place(x1, y1)[0]} ${view.place(x1, y1)[1]}L${view.place(x2, y2)[0]} ${view.place(x2, y2)[1]}`, dot = ([x, y], r, kind) => { const [cx, cy] = view.place(x, y); return g('circle', { cx, cy, r, class: kind }); };
    return [edges.filter(([, sides]) => sides.length).map(([text, sides], i) => { const all = sides.map(line).join(''), [x, y] = view.place(...sides[0]); return [stroke('halo', all), stroke('outline', all, { stroke: ['#ffd24a', '#5fd3ff', '#ff9df0', '#9dff9d'][i % 4] }), label(clamp(x, 4, view.width - 40), Math.max(14, y - 6), short(text, 40), 'onimage')]; }),
      shown.length ? null : count(Math.min(P, 1500)).map((i) => dot(target(i), 2.2, 'pick')),
      shown.map((m) => [stroke('ray', line([...origin(m), ...target(owner(m))]), { 'stroke-opacity': .2 + .6 * weight[m] / peak }), dot(origin(m), 2 + 8 * Math.sqrt(Math.max(0, weight[m]) / peak), 'origin')]), chosen >= 0 ? dot(target(chosen), 5, 'target') : null];
  });
  function choose(i) {
    chosen = i;
    shown = all.filter((m) => owner(m) === i);
    const here = all.filter((m) => source[2 * m] === pixel[2 * i] && source[2 * m + 1] === pixel[2 * i + 1]), [x, y] = target(i);
    view.paint();
    ctx.show(ranked(`${called(pixel, i)} attends to`, shown.map((m) => ({ name: called(source, m), at: m, weight: weight[m], contribution: adds[m] })), readers, p.unit), here.length && readersOf(here));
    ctx.say(`${called(pixel, i)}: ${said(Math.floor(y) * W + Math.floor(x))}`);
  }
  const readersOf = (list) => ranked(`${called(source, list[0])} is attended to by`, list.map((m) => ({ name: called(pixel, owner(m)), at: owner(m), weight: weight[m], contribution: adds[m] })), choose, p.unit);
  function readers(m0) {
    chosen = -1;
    shown = all.filter((m) => source[2 * m] === source[2 * m0] && source[2 * m + 1] === source[2 * m0 + 1]);
    view.paint();
    ctx.show(readersOf(shown));
  }
  const nearest = (list, place, x, y) => list.reduce((best, i) => { const [a, b] = place(i), far = (a - x) ** 2 + (b - y) ** 2; return far < best[1] ? [i, far] : best; }, [-1, Infinity]);
  view.hover = (event) => { const i = view.inside(event); if (i >= 0) ctx.say(`${spotName(Math.floor(i / W) * step, i % W * step)}: ${said(i)}`); };
  view.click = (event) => { if (!P) return; const at = view.pixel(event), [i, far] = nearest(count(P), target, ...at), [m, near] = nearest(shown, origin, ...at); if (near < far) readers(m); else choose(i); };
  view.step = (dx, dy) => { if (!P) return false; const [x, y] = target(Math.max(0, chosen)), ahead = (i) => { const [a, b] = target(i), go = (a - x) * dx + (b - y) * dy; return go > .01 ? go + 3 * Math.abs((a - x) * dy - (b - y) * dx) : Infinity; }; const i = count(P).reduce((best, j) => (ahead(j) < ahead(best) ? j : best), Math.max(0, chosen)); choose(i); return true; };
  if (heat) ctx.slider('overlay', { value: strength }, (v) => { strength = v; view.paint(); });
  return { draw: (width) => {
    ctx.put(view.draw(width), over && colourKey(ctx, 'heat', p.overlay.low, p.overlay.high, p.overlay_label || 'overlay'));
    ctx.say(P && `click one of the ${P} points, or press an arrow key, to see where it comes from`, step > 1 && `shown as means of ${step} × ${step} pixels`);
  }, csv: () => (P ? table2rows([['row', all.map((m) => pixel[2 * owner(m)])], ['column', all.map((m) => pixel[2 * owner(m) + 1])], ['source row', all.map((m) => source[2 * m])], ['source column', all.map((m) => source[2 * m + 1])], ['weight', all.map((m) => weight[m])], ['contribution', adds.length ? all.map((m) => adds[m]) : null]])
    : gridRows(W, H, step, [['value', p.image, data], [p.overlay_label || 'overlay', p.overlay, over]])) };
};
const gridRows = (W, H, step, layers) => table2rows([['row', count(W * H).map((i) => Math.floor(i / W) * step)], ['column', count(W * H).map((i) => i % W * step)],
  ...layers.filter(([, image]) => image).flatMap(([text, image, data]) => count(image.s[2] || 1).map((c, _, bands) => [bands.length > 1 ? `${text} ${'red green blue'.split(' ')[c]}` : text, count(W * H).map((i) => grey(image, data, i * bands.length + c))]))]);

kinds.swipe = (p, ctx) => {
  const [H, W] = p.left.s, left = raster(p.left), right = raster(p.right), layers = p.layers.map((l) => ({ ...l, codes: flat(l.values), canvas: raster(l.values, ctx.ramp('heat')) }));
  let divide = .5, layer = null, strength = .8, moving = false, slider;
  const view = viewport(ctx, W, H, `${p.title}: ${p.left_label} against ${p.right_label}`, (pen, k) => {
    const x = view.width * divide, cut = (x - view.place(0, 0)[0]) / k, line = d`M${x} 0V${view.height}`;
    pen.drawImage(right, 0, 0);
    if (cut > 0) { pen.clearRect(0, 0, cut, H); pen.drawImage(left, 0, 0, cut, H, 0, 0, cut, H); }
    if (layer) drawLayer(pen, layer.canvas, strength);
    return [stroke('halo', line), stroke('divide', line), g('circle', { cx: x, cy: view.height / 2, r: 9, class: 'handle' }), label(x, view.height / 2 + 4, '↔', 'grip', 'middle'),
      divide > .12 && label(8, 18, fit(p.left_label, x - 14), 'onimage'), divide < .88 && label(view.width - 8, 18, fit(p.right_label, view.width - x - 14), 'onimage', 'end')];
  });
  slider = ctx.slider('divide', { value: divide }, (v) => { divide = v; view.paint(); });
  view.grab = (event) => (moving = Math.abs(local(event, event.currentTarget)[0] - view.width * divide) < 18);
  view.hover = (event) => {
    if (moving &&= event.buttons) { slider.value = divide = clamp(local(event, event.currentTarget)[0] / view.width, 0, 1); view.paint(); return; }
    const i = view.inside(event);
    if (layer && i >= 0) ctx.say(`${spotName(Math.floor(i / W) * p.step, i % W * p.step)}: ${short(layer.name)} ${fmt(grey(layer.values, layer.codes, i))}`);
  };
  if (layers.length) {
    ctx.pick('layer', ['none', ...layers.map((l) => l.name)], (at) => { layer = layers[at - 1]; draw(ctx.width); });
    ctx.slider('strength', { value: strength }, (v) => { strength = v; view.paint(); });
  }
  function draw(width) {
    ctx.put(view.draw(width), layer && colourKey(ctx, 'heat', layer.values.low, layer.values.high, layer.name));
    ctx.say(p.step > 1 && `shown as means of ${p.step} × ${p.step} pixels`);
  }
  return { draw, csv: () => gridRows(W, H, p.step, [[p.left_label, p.left, flat(p.left)], [p.right_label, p.right, flat(p.right)], ...layers.map((l) => [l.name, l.values, l.codes])]) };
};
