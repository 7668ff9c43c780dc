// Pictures of relations: tokens, network, arcs. Click one and see what it attends to, and what attends to it.

kinds.tokens = (p, ctx) => {
  const same = !p.keys, queries = p.queries, keys = p.keys || queries, Q = queries.length, K = keys.length, k = dims(p.index).at(-1), MOST = 20000;
  const [index, weight, adds, columns] = [p.index, p.weight, p.contribution, p.columns].map(flat), heads = p.heads.map((axis) => ({ ...axis, at: 0 })), back = new Map();
  let head = 0, chosen = null, tinted = [];
  /** Who attends to each key, for one head; made once, from the weights kept. */
  function reversed() {
    if (!back.has(head)) {
      const lists = new Map();
      for (let m = head * Q * k; m < (head + 1) * Q * k; m++) if (index[m] >= 0) { if (!lists.has(index[m])) lists.set(index[m], []); lists.get(index[m]).push(m); }
      back.set(head, lists);
    }
    return back.get(head);
  }
  const panels = (same ? [queries] : [queries, keys]).map((names, side) => {
    const chips = names.slice(0, MOST).map((text, i) => h('span', { class: 'tok', 'data-i': i, role: 'button', tabindex: i ? -1 : 0, title: text.length > 24 ? short(text, 300) : null }, short(text, 24) || '␣'));
    const at = (event) => Number(event.target.closest('.tok')?.dataset.i ?? NaN), el = h('div', { class: 'toks', role: 'group', 'aria-label': same ? 'tokens' : side ? 'keys' : 'queries', click: (event) => at(event) >= 0 && choose(side, at(event)),
      keydown: (event) => { if ((event.key === 'Enter' || event.key === ' ') && at(event) >= 0) { event.preventDefault(); choose(side, at(event)); } } }, chips, names.length > MOST ? h('p', { class: 'quiet' }, `the first ${MOST} of ${names.length}; find the others by name`) : null);
    onArrows(el, (dx, dy) => { const from = Number(document.activeElement.dataset.i || 0), to = chips[clamp(from + dx + 10 * dy, 0, chips.length - 1)]; chips[from].tabIndex = -1; to.tabIndex = 0; to.focus(); });
    return { el, chips };
  });
  function tint(pairs, chips) {
    for (const el of tinted) el.style.removeProperty('--w');
    const peak = Math.max(1e-12, ...pairs.map(([, w]) => w));
    tinted = pairs.map(([i, w]) => { chips[i]?.style.setProperty('--w', `${Math.round(3 + 62 * Math.max(0, w) / peak)}%`); return chips[i]; }).filter(Boolean);
  }
  /** With nothing chosen the keys show how much attention they receive. */
  function rest() {
    ctx.show();
    tint(columns ? count(Math.min(K, MOST)).map((j) => [j, columns[head * K + j]]).filter(([, w]) => w > 0) : [], panels.at(-1).chips);
    ctx.say(columns && 'shade: attention received from all queries', 'click a token to see what it attends to');
  }
  function choose(side, i, keep) {
    panels.forEach(({ chips }) => chosen && chips[chosen[1]]?.removeAttribute('aria-pressed'));
    if (!keep && chosen?.[0] === side && chosen[1] === i) { chosen = null; return rest(); }
    chosen = [side, i];
    const chip = panels[side].chips[i], first = (head * Q + i) * k, to = side ? [] : count(k).map((m) => first + m).filter((m) => index[m] >= 0), by = side || same ? reversed().get(i) || [] : [], asker = (m) => Math.floor(m / k) % Q;
    const row = (names, at) => (m) => ({ name: names[at(m)].length < 4 ? `${names[at(m)]} · ${at(m) + 1}` : names[at(m)], at: at(m), weight: weight[m], contribution: adds?.[m] });
    if (side) tint(by.map((m) => [asker(m), weight[m]]), panels[0].chips); else tint(to.map((m) => [index[m], weight[m]]), panels.at(-1).chips);
    ctx.show(!side && ranked(`${short(queries[i], 40)} attends to`, to.map(row(keys, (m) => index[m])), (j) => choose(same ? 0 : 1, j), p.unit), (side || same) && ranked(`${short(keys[i], 40)} is attended to by`, by.map(row(queries, asker)), (j) => choose(0, j), p.unit));
    ctx.say(`${short(side ? keys[i] : queries[i])} (${i + 1})`, !side && `its ${to.length} strongest keys hold ${fmt(100 * to.reduce((sum, m) => sum + weight[m], 0))} % of its attention`, columns && (side || same) && `receives ${fmt(columns[head * K + i])} from all queries`);
    chip?.setAttribute('aria-pressed', 'true');
    chip?.scrollIntoView({ block: 'nearest' });
  }
  for (const axis of heads) {
    const out = h('output', null, short(axis.names[0], 24));
    ctx.slider(axis.axis, { max: axis.names.length - 1, step: 1, value: 0, 'aria-valuetext': axis.names[0] }, (at, slider) => {
      axis.at = at;
      out.textContent = show(short(axis.names[at], 24));
      slider.setAttribute('aria-valuetext', out.textContent);
      head = heads.reduce((sum, a) => sum * a.names.length + a.at, 0);
      if (chosen) choose(...chosen, true); else rest();
    }).after(out);
  }
  finder(ctx, queries, (i) => choose(0, i, true));
  return { draw: () => { if (panels[0].el.isConnected) return; ctx.put(...(same ? [panels[0].el] : [h('h4', null, 'queries'), panels[0].el, h('h4', null, 'keys'), panels[1].el])); rest(); },
    csv: () => { const kept = count(index.length).filter((m) => index[m] >= 0), each = (f) => kept.map(f); let span = Q * k; const lead = heads.toReversed().map((a) => { const size = span; span *= a.names.length; return [a.axis, each((m) => a.names[Math.floor(m / size) % a.names.length])]; });
      return table2rows([...lead.reverse(), ['query', each((m) => queries[Math.floor(m / k) % Q])], ['query number', each((m) => Math.floor(m / k) % Q + 1)], ['key', each((m) => keys[index[m]])], ['key number', each((m) => index[m] + 1)], ['weight', each((m) => weight[m])], ['contribution', adds && each((m) => adds[m])]]); } };
};

kinds.network = (p, ctx) => {
  const [x, y, i, j, w, values, size] = [p.x, p.y, p.i, p.j, p.w, p.values, p.size].map(flat), n = x.length, M = i.length, axes = p.x_label || p.y_label, groups = p.groups ? [...new Set(p.groups)] : [], called = (a) => p.labels?.[a] ?? `${a + 1}`;
  const heavy = w ? Math.max(1e-12, extent(w)[1]) : 1, big = size ? Math.max(1e-12, extent(size)[1]) : 1, ends = values ? extent(values) : [0, 1], sides = ends[0] < 0 && ends[1] > 0, top = Math.max(-ends[0], ends[1]), [low, high] = sides ? [-top, top] : ends, key = sides ? 'diverging' : 'magnitude';
  const about = (a) => [short(called(a), 80), p.groups && short(p.groups[a], 40), values && withUnit(fmt(values[a]), p.unit)];
  let chosen = null, dots = [], layer, place;
  const radius = (a) => (size ? 2 + 13 * Math.sqrt(Math.max(0, size[a]) / big) : n > 600 ? 2.5 : n > 120 ? 4 : n > 12 ? 6 : 9);
  /** An edge: straight, or for a directed graph bowed, with a head where it ends; a loop where it returns. */
  function link(e, arrow = p.directed && M < 2000) {
    const [a, b] = place(i[e]), [u, v] = place(j[e]), r = radius(j[e]) + 2;
    if (i[e] === j[e]) return d`M${a - r * .5} ${b - r * .6}c${-r - 8} ${-r - 14} ${2 * r + 16} ${-r - 14} ${r} 0`;
    if (!p.directed) return d`M${a} ${b}L${u} ${v}`;
    const mx = (a + u) / 2 + (v - b) * .12, my = (b + v) / 2 - (u - a) * .12, t = Math.atan2(v - my, u - mx), ex = u - Math.cos(t) * r, ey = v - Math.sin(t) * r, barb = (s) => d`M${ex} ${ey}l${-7 * Math.cos(t + s)} ${-7 * Math.sin(t + s)}`;
    return d`M${a} ${b}Q${mx} ${my} ${ex} ${ey}` + (arrow ? barb(.4) + barb(-.4) : '');
  }
  function choose(a) {
    chosen = a;
    const to = count(M).filter((e) => i[e] === a), by = count(M).filter((e) => j[e] === a && i[e] !== a), near = new Set([a, ...to.map((e) => j[e]), ...by.map((e) => i[e])]), row = (end) => (e) => ({ name: called(end[e]), at: end[e], weight: w ? w[e] : 1 });
    dots.forEach((dot, b) => { dot.classList.toggle('dim', !near.has(b)); dot.classList.toggle('on', b === a); });
    layer.replaceChildren(...to.concat(by).slice(0, 3000).map((e) => stroke('hot', link(e, p.directed), { stroke: ctx.colour(i[e] === a || !p.directed ? 's1' : 's2'), 'stroke-width': 1 + 3 * Math.sqrt(Math.max(0, w ? w[e] / heavy : .3)), 'stroke-dasharray': i[e] === a || !p.directed ? null : '5 3' })));
    ctx.show(...(p.directed ? [ranked(`${short(called(a), 40)} attends to`, to.map(row(j)), choose), ranked(`${short(called(a), 40)} is attended to by`, by.map(row(i)), choose)] : [ranked(`${short(called(a), 40)} is joined to`, [...to.map(row(j)), ...by.map(row(i))], choose)]));
    ctx.say(...about(a), axes && `${p.x_label || 'x'} ${fmt(x[a])}, ${p.y_label || 'y'} ${fmt(y[a])}`);
  }
  function draw(width) {
    const left = axes ? 46 : 24, above = axes ? 26 : 24, right = width - 24, height = Math.round(clamp(width * .68, 260, 520)), ground = height - (axes ? 36 : 24), [x0, x1] = extent(x), [y0, y1] = extent(y), k = Math.min((right - left) / (x1 - x0 || 1), (ground - above) / (y1 - y0 || 1));
    const sx = axes ? scale(x0, x1, left + 14, right) : (v) => width / 2 + (v - (x0 + x1) / 2) * k, sy = axes ? scale(y0, y1, ground - 14, above) : (v) => height / 2 - (v - (y0 + y1) / 2) * k, colours = ctx.ramp(key);
    place = (a) => [sx(x[a]), sy(y[a])];
    const fill = (a) => (values ? (Number.isNaN(values[a]) ? ctx.colour('paper') : css(colours[clamp(Math.round(sides ? 255 * (values[a] - low) / (high - low) : 56 + 199 * (values[a] - low) / (high - low || 1)), 0, 255)])) : groups.length ? ctx.series(groups.indexOf(p.groups[a])) : ctx.colour('s1'));
    dots = count(n).map((a) => g('circle', { cx: place(a)[0], cy: place(a)[1], r: radius(a), fill: fill(a), class: values ? 'dot edged' : 'dot' }, tip(about(a).filter(Boolean).join(' · '))));
    const bins = [[], [], [], []], taken = [], worth = (a) => (size ? size[a] : values ? Math.abs(values[a]) : -a), few = n <= 60 ? 60 : 24;
    for (const e of count(M)) bins[clamp(Math.floor(4 * (w ? w[e] / heavy : .45)), 0, 3)].push(e);
    const named = (a) => { const [cx, cy] = place(a), text = short(p.labels[a], 22), half = measure(text, 11), r = radius(a); for (const [lx, ly] of [[cx + r + 3, cy + 4], [cx - r - 3 - half, cy + 4], [cx - half / 2, cy - r - 4]]) if (lx > 0 && lx + half < width && ly > 10 && taken.length < few && taken.every(([tx, ty, tw]) => lx > tx + tw + 3 || tx > lx + half + 3 || Math.abs(ty - ly) > 11)) { taken.push([lx, ly, half]); return label(lx, ly, text, 'haloed'); } return null; };
    const svg = sheet(width, height, `${p.title}: ${n} points${M ? `, ${M} edges` : ''}`,
      axes ? [ticks(y0, y1).map((v) => [stroke('grid', d`M${left} ${sy(v)}H${right}`), label(left - 7, sy(v) + 4, fmt(v, 4), 'tick', 'end')]), ticks(x0, x1, width / 90).map((v) => [stroke('axis', d`M${sx(v)} ${ground}v5`), label(sx(v), ground + 18, fmt(v, 4), 'tick', 'middle')]),
        stroke('axis', d`M${left} ${ground}H${right}`), label(0, 14, fit(p.y_label, width)), label(right, height - 3, fit(p.x_label, width), 'tick', 'end')] : null,
      bins.map((bin, b) => stroke('edge', bin.map((e) => link(e)).join(''), { 'stroke-opacity': (M > 4000 ? .08 : M > 400 ? .16 : .32) + .16 * b, 'stroke-width': .7 + .6 * b })), layer = g('g'), dots,
      p.labels ? count(n).sort((a, b) => worth(b) - worth(a)).slice(0, 400).map(named) : null);
    svg.addEventListener('pointerdown', (event) => {
      const [px, py] = local(event, svg), far = (a) => Math.hypot(place(a)[0] - px, place(a)[1] - py), best = count(n).reduce((a, b) => (far(b) < far(a) ? b : a), 0);
      if (n && far(best) < 26) choose(best); else { chosen = null; layer.replaceChildren(); ctx.show(); dots.forEach((dot) => dot.classList.remove('dim', 'on')); }
    });
    onArrows(svg, (dx, dy) => n && choose(((chosen ?? -(dx + dy)) + dx + dy + n) % n));
    ctx.put(ctx.legend(groups), values && colourKey(ctx, key, low, high, p.unit), svg);
    if (chosen !== null) choose(chosen); else ctx.say(M && 'click a point, or press an arrow key, to see its relations');
  }
  finder(ctx, p.labels, choose);
  return { draw, csv: () => [...table2rows([['name', count(n).map(called)], ['x', x], ['y', y], ['group', p.groups], ['value', values], ['size', size]]), ...(M ? [[], ...table2rows([['from', Array.from(i, called)], ['to', Array.from(j, called)], ['weight', w]])] : [])] };
};

kinds.arcs = (p, ctx) => {
  const [pairs, weights, marks] = [p.pairs, p.weights, p.marks].map(flat), n = p.labels.length, end = (e, side) => pairs[2 * e + side], order = count(weights.length).sort((a, b) => weights[a] - weights[b]), peak = Math.max(1e-12, ...Array.from(weights, Math.abs));
  let chosen = null, place, paths = [], cursor;
  function choose(a) {
    chosen = clamp(a, 0, n - 1);
    const mine = order.filter((e) => end(e, 0) === chosen || end(e, 1) === chosen), other = (e) => end(e, 0) + end(e, 1) - chosen;
    paths.forEach((path, at) => path.classList.toggle('dim', !mine.includes(order[at])));
    make(cursor, { transform: d`translate(${place(chosen)} 0)`, visibility: 'visible' }, []);
    ctx.show(ranked(`${short(p.labels[chosen], 40)} is joined to`, mine.map((e) => ({ name: p.labels[other(e)] + (marks ? (marks[e] ? ' ✓' : ' ✕') : ''), at: other(e), weight: weights[e] })), choose));
    ctx.say(`${short(p.labels[chosen])} (${chosen + 1} of ${n})`, `${mine.length} ${mine.length === 1 ? 'arc' : 'arcs'}`);
  }
  function draw(width) {
    place = scale(0, Math.max(1, n - 1), 12, width - 12);
    const span = (e) => Math.abs(end(e, 0) - end(e, 1)), reach = Math.max(1, ...order.map(span)), tall = Math.min(260, width * .42), ground = tall + 12, step = Math.max(1, Math.ceil(n * (Math.max(0, ...p.labels.map((text) => measure(short(text, 12), 11))) + 8) / (width - 24)));
    paths = order.map((e) => { const a = place(end(e, 0)), b = place(end(e, 1)), up = ground - 1.33 * tall * Math.sqrt(span(e) / reach), v = Math.abs(weights[e]) / peak, good = !marks || marks[e];
      return stroke('arc', d`M${a} ${ground}C${a} ${up} ${b} ${up} ${b} ${ground}`, { stroke: ctx.colour(good ? 's1' : 's2'), 'stroke-width': .6 + 2.2 * v, 'stroke-opacity': .25 + .6 * v, 'stroke-dasharray': good ? null : '4 3' }); });
    const svg = sheet(width, ground + 30, `${p.title}: ${weights.length} arcs over ${n} places`, stroke('axis', d`M12 ${ground}H${width - 12}`), paths,
      p.labels.map((text, a) => (a % step ? null : [stroke('axis', d`M${place(a)} ${ground}v4`), label(place(a), ground + 17, short(text, 12), 'tick', place(a) < 30 ? 'start' : place(a) > width - 30 ? 'end' : 'middle')])), cursor = g('g', { visibility: 'hidden' }, stroke('cursor', d`M0 8V${ground + 6}`)));
    svg.addEventListener('pointerdown', (event) => { const [px] = local(event, svg), off = (a) => Math.abs(place(a) - px), end = pairs.reduce((best, a) => (off(a) < off(best) ? a : best), pairs[0] ?? 0); choose(off(end) < 9 ? end : Math.round((px - 12) / (width - 24) * (n - 1))); });
    onArrows(svg, (dx) => choose((chosen ?? -1) + dx));
    ctx.put(marks && ctx.legend(['true contact', 'not a contact'], (i) => GLYPHS[i]), svg);
    if (chosen !== null) choose(chosen); else ctx.say('click a place, or press an arrow key, to see its arcs');
  }
  finder(ctx, p.labels, choose);
  return { draw, csv: () => table2rows([['from', order.map((e) => p.labels[end(e, 0)])], ['to', order.map((e) => p.labels[end(e, 1)])], ['weight', order.map((e) => weights[e])], ['true', marks && order.map((e) => marks[e])]]) };
};
