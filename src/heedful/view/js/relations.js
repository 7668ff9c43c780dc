// Pictures of relations: tokens, network, arcs. Click one and see what it attends to, and what attends to it.

kinds.tokens = (p, ctx) => {
  const same = !p.keys, keys = p.keys || p.queries, Q = p.queries.length, K = keys.length, shape = dims(p.index), k = shape.at(-1), index = flat(p.index), weight = flat(p.weight), adds = flat(p.contribution), columns = flat(p.columns);
  const heads = (p.heads || []).map((a) => ({ ...a, at: 0 })), stage = { at: 0 }, SHOWN = 20000;
  let chosen = null, back = new Map();
  /** Who attends to each key, for one head; made once, from the weights kept. */
  function reversed() {
    if (!back.has(stage.at)) {
      const lists = new Map(), o = stage.at * Q * k;
      for (let m = 0; m < Q * k; m++) if (index[o + m] >= 0) { const j = index[o + m]; if (!lists.has(j)) lists.set(j, []); lists.get(j).push(m); }
      back.set(stage.at, lists);
    }
    return back.get(stage.at);
  }
  const chip = (name, i, role) => h('span', { class: 'tok', 'data-i': i, 'data-role': role, role: 'button', tabindex: i === 0 ? 0 : -1, title: name.length > 24 ? short(name, 300) : null }, short(name, 24) || '␣');
  const panels = same ? [h('div', { class: 'toks', role: 'group', 'aria-label': 'tokens' })] : [h('div', { class: 'toks', role: 'group', 'aria-label': 'queries' }), h('div', { class: 'toks', role: 'group', 'aria-label': 'keys' })];
  const chips = [];
  (same ? [['q', p.queries]] : [['q', p.queries], ['k', keys]]).forEach(([role, names], at) => {
    const made = names.slice(0, SHOWN).map((name, i) => chip(String(name), i, role));
    panels[at].append(...made);
    if (names.length > SHOWN) panels[at].append(h('p', { class: 'quiet' }, `the first ${SHOWN} of ${names.length}; find the others by name`));
    chips.push(made);
    const pressed = (event) => { const el = event.target.closest?.('.tok'); if (el) choose(el.dataset.role, Number(el.dataset.i)); };
    make(panels[at], { click: pressed, keydown: (event) => {
      const el = event.target.closest?.('.tok');
      if (!el) return;
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); pressed(event); return; }
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key], to = by && made[Math.max(0, Math.min(made.length - 1, Number(el.dataset.i) + by))];
      if (to) { event.preventDefault(); el.tabIndex = -1; to.tabIndex = 0; to.focus(); }
    } }, []);
  });
  const keyChips = chips.at(-1);
  let tinted = [];
  function tint(pairs, targets) {
    for (const el of tinted) el.style.removeProperty('--w');
    tinted = [];
    const peak = Math.max(1e-12, ...pairs.map(([, w]) => w));
    for (const [i, w] of pairs) { const el = targets[i]; if (el) { el.style.setProperty('--w', `${Math.round(4 + 86 * Math.max(0, w) / peak)}%`); el.dataset.hot = w / peak > .6 ? 1 : 0; tinted.push(el); } }
  }
  /** With nothing chosen the keys show how much attention they receive. */
  function rest() {
    if (!columns) { ctx.say('click a token to see what it attends to'); return tint([], keyChips); }
    const o = stage.at * K;
    tint(Array.from({ length: Math.min(K, SHOWN) }, (_, j) => [j, columns[o + j]]).filter(([, w]) => w > 0), keyChips);
    ctx.say('shade: attention received from all queries; click a token to see its own');
  }
  function choose(role, i) {
    for (const el of ctx.body.querySelectorAll('[aria-pressed]')) el.removeAttribute('aria-pressed');
    if (chosen && chosen[0] === role && chosen[1] === i) { chosen = null; ctx.side.replaceChildren(); return rest(); }
    chosen = [role, i];
    chips[role === 'k' ? 1 : 0][i]?.setAttribute('aria-pressed', 'true');
    const o = stage.at * Q * k, to = [], by = [];
    if (role === 'q') for (let m = i * k; m < i * k + k; m++) if (index[o + m] >= 0) to.push({ name: keys[index[o + m]], at: index[o + m], weight: weight[o + m], contribution: adds?.[o + m] });
    if (role === 'k' || same) for (const m of reversed().get(i) || []) by.push({ name: p.queries[Math.floor(m / k)], at: Math.floor(m / k), weight: weight[o + m], contribution: adds?.[o + m] });
    if (role === 'q') tint(to.map((r) => [r.at, r.weight]), keyChips); else tint(by.map((r) => [r.at, r.weight]), chips[0]);
    const numbered = (rows, names) => rows.map((r) => ({ ...r, name: names.length > 1 && /^.{0,3}$/u.test(names[r.at]) ? `${names[r.at]} · ${r.at + 1}` : names[r.at] }));
    const kept = to.reduce((sum, r) => sum + r.weight, 0);
    ctx.side.replaceChildren(role === 'q' ? ranked(`${short(p.queries[i], 40)} attends to`, numbered(to, keys), { unit: p.unit, go: (j) => choose(same ? 'q' : 'k', j) }) : '',
      role === 'k' || same ? ranked(`${short(keys[i], 40)} is attended to by`, numbered(by, p.queries), { unit: p.unit, go: (j) => choose('q', j) }) : '');
    ctx.say(`${short(role === 'q' ? p.queries[i] : keys[i], 60)} (${i + 1})` + (role === 'q' ? `: its ${to.length} strongest keys hold ${fmt(100 * kept)} % of its attention` : '') + (columns && (role === 'k' || same) ? `; receives ${fmt(columns[stage.at * K + i])} from all queries` : ''));
    chips[role === 'k' ? 1 : 0][i]?.scrollIntoView({ block: 'nearest' });
  }
  for (const axis of heads) {
    const out = h('output', null, short(axis.names[0], 24));
    const slider = h('input', { type: 'range', min: 0, max: axis.names.length - 1, step: 1, value: 0, 'aria-label': axis.axis, 'aria-valuetext': axis.names[0], input: () => {
      axis.at = Number(slider.value); out.textContent = show(short(axis.names[axis.at], 24)); slider.setAttribute('aria-valuetext', show(axis.names[axis.at]));
      stage.at = heads.reduce((sum, a) => sum * a.names.length + a.at, 0);
      const keep = chosen; chosen = null;
      if (keep) choose(...keep); else rest();
    } });
    ctx.control(axis.axis, slider);
    slider.after(out);
  }
  finder(ctx, p.queries, (i) => { chosen = null; choose('q', i); });
  return { draw: () => { if (!panels[0].isConnected) { ctx.body.replaceChildren(...(same ? panels : [h('h4', null, 'queries'), panels[0], h('h4', null, 'keys'), panels[1]])); rest(); } },
    csv: () => [[...heads.map((a) => a.axis), 'query', 'query number', 'key', 'key number', 'weight', ...(adds ? ['contribution'] : [])], ...Array.from(index, (j, m) => m).filter((m) => index[m] >= 0).map((m) => {
      const i = Math.floor(m / k) % Q; let s = Math.floor(m / (Q * k)); const names = heads.slice().reverse().map((a) => { const name = a.names[s % a.names.length]; s = Math.floor(s / a.names.length); return name; }).reverse();
      return [...names, p.queries[i], i + 1, keys[index[m]], index[m] + 1, weight[m], ...(adds ? [adds[m]] : [])]; })] };
};

/** A box that finds a name. */
function finder(ctx, names, go) {
  if (!names || names.length < 12) return;
  const box = ctx.control('find', h('input', { type: 'search', size: 10, 'aria-label': 'find by name', keydown: (event) => {
    if (event.key !== 'Enter') return;
    const want = box.value.trim().toLowerCase(), hits = names.map((_, i) => i).filter((i) => names[i].toLowerCase() === want);
    const i = hits[0] ?? names.findIndex((name) => name.toLowerCase().includes(want));
    if (i >= 0 && want) go(i); else ctx.say(`no name holds “${short(box.value, 40)}”`);
  } }));
}

kinds.network = (p, ctx) => {
  const x = flat(p.x), y = flat(p.y), n = x.length, i = flat(p.i), j = flat(p.j), w = flat(p.w), values = flat(p.values), size = flat(p.size), axes = p.x_label || p.y_label;
  const groups = p.groups ? [...new Set(p.groups)] : [], name = (a) => p.labels?.[a] ?? `${a + 1}`, heavy = w ? Math.max(1e-12, extent(w)[1]) : 1, big = size ? Math.max(1e-12, extent(size)[1]) : 1, ends = values ? extent(values) : [0, 1];
  const sides = values && ends[0] < 0 && ends[1] > 0, top = Math.max(Math.abs(ends[0]), Math.abs(ends[1])), [low, high] = sides ? [-top, top] : ends;
  let chosen = null, dots = [], layer, place;
  const linkOf = (e) => `${round(place(i[e])[0])} ${round(place(i[e])[1])}L${round(place(j[e])[0])} ${round(place(j[e])[1])}`;
  function choose(a) {
    chosen = a;
    const to = [], by = [];
    for (let e = 0; e < i.length; e++) { if (i[e] === a) to.push(e); else if (j[e] === a) by.push(e); }
    dots.forEach((dot, b) => dot.classList.toggle('dim', b !== a && !to.some((e) => j[e] === b) && !by.some((e) => i[e] === b)));
    dots.forEach((dot, b) => { dot.setAttribute('aria-pressed', b === a); });
    layer.replaceChildren(...to.concat(by).slice(0, 3000).map((e) => { const v = w ? w[e] / heavy : .5, [ax, ay] = place(i[e]), [bx, by2] = place(j[e]), mine = i[e] === a; return g('path', { d: `M${linkOf(e)}`, stroke: ctx.colour(mine || !p.directed ? 's1' : 's2'), 'stroke-width': round(1 + 3 * Math.sqrt(Math.max(0, v))), 'stroke-dasharray': mine || !p.directed ? null : '5 3', fill: 'none', class: 'hot', 'data-from': `${round(ax)},${round(ay)},${round(bx)},${round(by2)}` }); }));
    const row = (e, b) => ({ name: name(b), at: b, weight: w ? w[e] : 1 });
    ctx.side.replaceChildren(p.directed ? ranked(`${short(name(a), 40)} attends to`, to.map((e) => row(e, j[e])), { go: choose }) : ranked(`${short(name(a), 40)} is joined to`, to.map((e) => row(e, j[e])).concat(by.map((e) => row(e, i[e]))), { go: choose }),
      p.directed ? ranked(`${short(name(a), 40)} is attended to by`, by.map((e) => row(e, i[e])), { go: choose }) : '');
    ctx.say([short(name(a), 80), p.groups && short(p.groups[a], 40), values && withUnit(fmt(values[a]), p.unit), axes && `${p.x_label || 'x'} ${fmt(x[a])}, ${p.y_label || 'y'} ${fmt(y[a])}`].filter(Boolean).join('  ·  '));
  }
  function draw(width) {
    const left = axes ? 46 : 14, top = axes ? 26 : 14, bottom = axes ? 36 : 14, right = 14, height = Math.round(Math.max(260, Math.min(520, width * .68)));
    const [x0, x1] = extent(x), [y0, y1] = extent(y), px = (x1 - x0 || 1) * .04, py = (y1 - y0 || 1) * .05;
    let sx = scale(x0 - px, x1 + px, left, width - right), sy = scale(y0 - py, y1 + py, height - bottom, top);
    if (!axes) { const k = Math.min((width - left - right) / (x1 - x0 || 1), (height - top - bottom) / (y1 - y0 || 1)); sx = (v) => width / 2 + (v - (x0 + x1) / 2) * k; sy = (v) => height / 2 - (v - (y0 + y1) / 2) * k; }
    place = (a) => [sx(x[a]), sy(y[a])];
    const bins = [[], [], [], []];
    for (let e = 0; e < i.length; e++) bins[Math.min(3, Math.max(0, Math.floor(4 * (w ? w[e] / heavy : .45))))].push(e);
    const radius = (a) => (size ? 2 + 13 * Math.sqrt(Math.max(0, size[a]) / big) : n > 600 ? 2.5 : n > 120 ? 4 : 6), colours = ctx.ramp(sides ? 'diverging' : 'magnitude');
    const colour = (a) => (values ? (Number.isNaN(values[a]) ? ctx.colour('paper') : css(colours[Math.round(255 * (sides ? 0 : .12) + (sides ? 255 : 224) * (values[a] - low) / (high - low || 1))] || colours[128])) : groups.length ? ctx.series(groups.indexOf(p.groups[a])) : ctx.colour('s1'));
    const taken = [], byWorth = Array.from({ length: n }, (_, a) => a).sort((a, b) => (size ? size[b] - size[a] : values ? Math.abs(values[b]) - Math.abs(values[a]) : a - b));
    dots = Array.from({ length: n }, (_, a) => g('circle', { cx: round(place(a)[0]), cy: round(place(a)[1]), r: round(radius(a)), fill: colour(a), class: 'dot', 'data-a': a }, g('title', null, [short(name(a), 200), p.groups && short(p.groups[a], 60), values && withUnit(fmt(values[a]), p.unit)].filter(Boolean).join(' · '))));
    const curve = (e) => { if (!p.directed) return `M${linkOf(e)}`; const [a, b] = place(i[e]), [c, d] = place(j[e]), k = .12, r = radius(j[e]) + 2, length = Math.hypot(c - a, d - b) || 1, tx = c - (c - a) / length * r, ty = d - (d - b) / length * r, mx = (a + c) / 2 + (d - b) * k, my = (b + d) / 2 - (c - a) * k; return `M${round(a)} ${round(b)}Q${round(mx)} ${round(my)} ${round(tx)} ${round(ty)}`; };
    const arrow = (e) => { const [a, b] = place(i[e]), [c, d] = place(j[e]), k = .12, mx = (a + c) / 2 + (d - b) * k, my = (b + d) / 2 - (c - a) * k, r = radius(j[e]) + 2, t = Math.atan2(d - my, c - mx), u = Math.atan2(d - b, c - a), ex = c - Math.cos(u) * r, ey = d - Math.sin(u) * r; return `M${round(ex)} ${round(ey)}l${round(-8 * Math.cos(t - .4))} ${round(-8 * Math.sin(t - .4))}M${round(ex)} ${round(ey)}l${round(-8 * Math.cos(t + .4))} ${round(-8 * Math.sin(t + .4))}`; };
    const loop = (e) => { const [a, b] = place(i[e]), r = radius(i[e]); return `M${round(a - r * .6)} ${round(b - r * .7)}c${-r - 8} ${-r - 14} ${2.2 * r + 16} ${-r - 14} ${round(1.2 * r)} 0`; };
    const few = n <= 60 && i.length <= 400;
    const svg = canvasSvg(width, height, `${p.title}: ${n} points${i.length ? `, ${i.length} edges` : ''}`,
      axes ? [ticks(y0, y1, 5).map((v) => g('g', null, g('path', { d: `M${left} ${round(sy(v))}H${width - right}`, class: 'grid' }), text(left - 7, sy(v) + 4, fmt(v, 4), { class: 'tick', 'text-anchor': 'end' }))),
        ticks(x0, x1, width / 90).map((v) => g('g', null, g('path', { d: `M${round(sx(v))} ${height - bottom}v5`, class: 'axis' }), text(sx(v), height - bottom + 18, fmt(v, 4), { class: 'tick', 'text-anchor': 'middle' }))),
        g('path', { d: `M${left} ${height - bottom}H${width - right}`, class: 'axis' }), text(0, 14, fit(p.y_label, width, 12), { class: 'axisname' }), text(width - right, height - 3, fit(p.x_label, width, 12), { class: 'axisname', 'text-anchor': 'end' })] : null,
      bins.map((bin, b) => (bin.length ? g('path', { d: bin.map((e) => (i[e] === j[e] ? loop(e) : curve(e) + (p.directed && i.length < 2000 ? arrow(e) : ''))).join(''), class: 'edge', 'stroke-opacity': (i.length > 4000 ? .08 : i.length > 400 ? .16 : .32) + .16 * b, 'stroke-width': .7 + .6 * b }) : null)),
      layer = g('g'), g('g', { role: 'group' }, dots),
      p.labels ? byWorth.slice(0, 400).map((a) => { const [cx, cy] = place(a), label = short(p.labels[a], 22), half = measure(label, 11), r = radius(a); for (const [lx, ly, anchor] of [[cx + r + 3, cy + 4, 'start'], [cx - r - 3 - half, cy + 4, 'end'], [cx - half / 2, cy - r - 4, 'middle']]) { if (lx < 0 || lx + half > width || ly < 10 || taken.length > (few ? 60 : 24)) continue; if (taken.every(([tx, ty, tw]) => lx > tx + tw + 3 || tx > lx + half + 3 || Math.abs(ty - ly) > 11)) { taken.push([lx, ly, half]); return text(lx, ly, label, { class: 'spanname haloed' }); } } return null; }) : null);
    const nearest = (event) => { const b = svg.getBoundingClientRect(), mx = event.clientX - b.left, my = event.clientY - b.top; let best = -1, far = 26 ** 2; for (let a = 0; a < n; a++) { const [cx, cy] = place(a), d = (cx - mx) ** 2 + (cy - my) ** 2; if (d < far) { far = d; best = a; } } return best; };
    make(svg, { tabindex: 0, pointerdown: (event) => { const a = nearest(event); if (a >= 0) choose(a); else { chosen = null; layer.replaceChildren(); ctx.side.replaceChildren(); dots.forEach((dot) => dot.classList.remove('dim')); } },
      keydown: (event) => { const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]; if (by && n) { event.preventDefault(); choose(((chosen ?? -by) + by + n) % n); } } }, []);
    ctx.body.replaceChildren(...[groups.length > 1 && groups.length < 13 ? h('div', { class: 'legend' }, groups.map((group, at) => h('span', { style: { color: ctx.series(at) } }, '● ', h('bdi', null, short(group, 40))))) : null,
      values ? colourKey(ctx, sides ? 'diverging' : 'magnitude', low, high, p.unit) : null, svg].filter(Boolean));
    if (chosen !== null) choose(chosen); else ctx.say(i.length ? 'click a point, or press an arrow key, to see its relations' : '');
  }
  finder(ctx, p.labels, choose);
  return { draw, csv: () => [['name', 'x', 'y', 'group', 'value', 'size'], ...Array.from(x, (v, a) => [name(a), v, y[a], p.groups?.[a], values?.[a], size?.[a]]), ...(i.length ? [[], ['from', 'to', 'weight'], ...Array.from(i, (a, e) => [name(a), name(j[e]), w?.[e]])] : [])] };
};

kinds.arcs = (p, ctx) => {
  const pairs = flat(p.pairs), weights = flat(p.weights), marks = flat(p.marks), n = p.labels.length, peak = Math.max(1e-12, ...Array.from(weights, Math.abs));
  const order = Array.from(weights, (_, e) => e).sort((a, b) => weights[a] - weights[b]);
  let chosen = null, place, paths = [];
  function choose(a) {
    chosen = Math.max(0, Math.min(n - 1, a));
    const mine = order.filter((e) => pairs[2 * e] === chosen || pairs[2 * e + 1] === chosen);
    paths.forEach((path, at) => path.classList.toggle('dim', !mine.includes(order[at])));
    ctx.side.replaceChildren(ranked(`${short(p.labels[chosen], 40)} is joined to`, mine.map((e) => { const b = pairs[2 * e] === chosen ? pairs[2 * e + 1] : pairs[2 * e]; return { name: p.labels[b] + (marks ? (marks[e] ? ' ✓' : ' ✕') : ''), at: b, weight: weights[e] }; }), { go: choose }));
    ctx.body.querySelector('.cursor')?.setAttribute('transform', `translate(${round(place(chosen))} 0)`);
    ctx.body.querySelector('.cursor')?.setAttribute('visibility', 'visible');
    ctx.say(`${short(p.labels[chosen], 60)} (${chosen + 1} of ${n}): ${mine.length} ${mine.length === 1 ? 'arc' : 'arcs'}`);
  }
  function draw(width) {
    place = scale(0, Math.max(1, n - 1), 12, width - 12);
    const reach = Math.max(1, ...Array.from(weights, (_, e) => Math.abs(pairs[2 * e] - pairs[2 * e + 1]))), tall = Math.min(260, width * .42), ground = tall + 12, height = ground + 30;
    paths = order.map((e) => { const a = place(Math.min(pairs[2 * e], pairs[2 * e + 1])), b = place(Math.max(pairs[2 * e], pairs[2 * e + 1])), up = tall * Math.sqrt((Math.abs(pairs[2 * e] - pairs[2 * e + 1])) / reach), v = Math.abs(weights[e]) / peak, good = !marks || marks[e];
      return g('path', { d: `M${round(a)} ${ground}C${round(a)} ${round(ground - up * 1.33)} ${round(b)} ${round(ground - up * 1.33)} ${round(b)} ${ground}`, class: 'arc', stroke: ctx.colour(good ? 's1' : 's2'), 'stroke-width': round(.6 + 2.2 * v), 'stroke-opacity': round(.25 + .6 * v), 'stroke-dasharray': good ? null : '4 3' }, g('title', null, `${short(p.labels[pairs[2 * e]], 60)} – ${short(p.labels[pairs[2 * e + 1]], 60)}: ${fmt(weights[e])}${marks ? (marks[e] ? ', true contact' : ', not a contact') : ''}`)); });
    const step = Math.max(1, Math.ceil(n * (Math.max(...p.labels.slice(0, 500).map((l) => measure(short(l, 12), 11))) + 8) / (width - 24)));
    const svg = canvasSvg(width, height, `${p.title}: ${weights.length} arcs over ${n} places`, g('path', { d: `M12 ${ground}H${width - 12}`, class: 'axis' }), paths,
      p.labels.map((label, a) => (a % step ? null : g('g', null, g('path', { d: `M${round(place(a))} ${ground}v4`, class: 'axis' }), text(place(a), ground + 17, short(label, 12), { class: 'tick', 'text-anchor': place(a) < 30 ? 'start' : place(a) > width - 30 ? 'end' : 'middle' })))),
      g('g', { class: 'cursor', visibility: 'hidden' }, g('path', { d: `M0 8V${ground + 6}`, class: 'cursor' })));
    make(svg, { tabindex: 0, pointerdown: (event) => { const px = event.clientX - svg.getBoundingClientRect().left, near = Math.round((px - 12) / (width - 24) * (n - 1)); let best = near, far = 9; for (let e = 0; e < pairs.length; e++) { const d = Math.abs(place(pairs[e]) - px); if (d < far) { far = d; best = pairs[e]; } } choose(best); },
      keydown: (event) => { const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key]; if (by) { event.preventDefault(); choose((chosen ?? -1) + by); } } }, []);
    ctx.body.replaceChildren(...[marks ? h('div', { class: 'legend' }, h('span', { style: { color: ctx.colour('s1') } }, '━ true contact'), h('span', { style: { color: ctx.colour('s2') } }, '╌ not a contact')) : null, svg].filter(Boolean));
    if (chosen !== null) choose(chosen); else ctx.say('click a place, or press an arrow key, to see its arcs');
  }
  finder(ctx, p.labels, choose);
  return { draw, csv: () => [['from', 'to', 'weight', ...(marks ? ['true'] : [])], ...Array.from(weights, (v, e) => [p.labels[pairs[2 * e]], p.labels[pairs[2 * e + 1]], v, ...(marks ? [marks[e]] : [])])] };
};
