// Pictures on axes: bars, waterfall, timeline and curves, table.

const text = (x, y, value, attrs = {}) => g('text', { x: round(x), y: round(y), ...attrs }, value);
const canvasSvg = (width, height, label, ...kids) => g('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': short(label, 300) }, ...kids);

/** Shared by bars and waterfall: named rows beside (or, on a phone, below) their names. */
function rowsLayout(width, names) {
  const narrow = width < 480;
  const label = narrow ? 0 : Math.min(width * .36, Math.max(40, ...names.slice(0, 300).map((name) => measure(short(name, 80), 13)))) + 12;
  return { narrow, label, step: narrow ? 42 : 26, top: (i) => 4 + i * (narrow ? 42 : 26) + (narrow ? 18 : 0), thick: narrow ? 16 : 17,
    name: (i, value) => (narrow ? text(0, 17 + i * 42, fit(value, width, 13), { class: 'name' }) : text(label - 10, 17 + i * 26, fit(value, label - 12, 13), { class: 'name', 'text-anchor': 'end' })) };
}

kinds.bars = (p, ctx) => {
  const values = flat(p.values), weights = flat(p.weights), low = flat(p.low), high = flat(p.high);
  const given = Array.from(values, (_, i) => i);
  let order = given, all = false;
  if (values.length > 2) {
    const by = { 'as given': () => given, contribution: () => given.toSorted((a, b) => Math.abs(values[b] || 0) - Math.abs(values[a] || 0)),
      ...(weights && { weight: () => given.toSorted((a, b) => (weights[b] || 0) - (weights[a] || 0)) }) };
    const pick = ctx.control('order', h('select', { change: () => { order = by[pick.value](); draw(ctx.width); } }, Object.keys(by).map((name) => h('option', null, name))));
  }
  const name = (i) => (p.groups ? `${p.groups[i]} · ` : '') + p.labels[i];
  function draw(width) {
    const shown = all ? order : order.slice(0, 30), lay = rowsLayout(width, shown.map(name));
    const right = weights ? (lay.narrow ? 0 : 110) : 0, numbers = 74;
    const [a, b] = extent(values, low, high), from = Math.min(0, a), to = Math.max(0, b);
    const x0 = lay.label + (from < 0 ? (lay.narrow ? 0 : 52) : 0), x = scale(from, to, x0, width - right - numbers), zero = x(0);
    const peak = weights ? Math.max(1e-12, extent(weights)[1]) : 1, height = shown.length * lay.step + 12 + (right ? 16 : 0);
    const wx = scale(0, peak, width - right + 14, width - 40);
    const svg = canvasSvg(width, height, `${p.title}: ${shown.length} bars`, right ? text(width - right + 14, height - 4, 'attention weight', { class: 'tick' }) : null,
      shown.map((i, at) => {
        const y = lay.top(at), v = values[i], end = x(v), under = v < 0, outer = under ? Math.min(end, low ? x(low[i]) : end) : Math.max(end, high ? x(high[i]) : end);
        const inside = under && x(v) - x0 < 2 && lay.narrow;
        const colour = p.signed ? (under ? ctx.colour('minus') : ctx.colour('plus')) : ctx.colour('s1');
        return g('g', { class: 'row' }, g('title', null, `${short(name(i), 300)}: ${withUnit(fmt(v), p.unit)}${weights ? `, weight ${fmt(weights[i])}` : ''}`),
          lay.name(at, name(i)),
          Number.isNaN(v) ? text(x(0) + 6, y + 12, 'missing', { class: 'tick' }) : [
            g('rect', { x: round(Math.min(zero, end)), y, width: Math.max(1, round(Math.abs(end - zero))), height: lay.thick, fill: colour, rx: 1 }),
            low && high && Number.isFinite(low[i]) ? g('path', { d: `M${round(x(low[i]))} ${y + 8.5}H${round(x(high[i]))}m0 -3v6M${round(x(low[i]))} ${y + 5.5}v6`, class: 'whisker' }) : null,
            text(under && !lay.narrow ? outer - 5 : Math.max(outer, zero) + 5, y + 13, p.signed ? signed(v) : fmt(v), { class: 'num', 'text-anchor': under && !lay.narrow && !inside ? 'end' : 'start' })],
          weights ? (lay.narrow ? g('rect', { x: round(zero), y: y + lay.thick + 1, width: round((width - numbers - zero) * Math.max(0, weights[i]) / peak), height: 3, class: 'weight' })
            : [g('rect', { x: wx(0), y: y + 4, width: Math.max(.5, round(wx(weights[i] || 0) - wx(0))), height: 8, class: 'weight' }), text(wx(weights[i] || 0) + 4, y + 12.5, fmt(weights[i], 2), { class: 'tick' })]) : null);
      }),
      g('path', { d: `M${round(zero)} 0V${height - 12 - (right ? 16 : 0)}`, class: 'axis' }));
    const more = order.length > shown.length && h('button', { type: 'button', class: 'more', click: () => { all = true; draw(ctx.width); } }, `show all ${order.length}`);
    ctx.body.replaceChildren(svg, ...(more ? [more] : []));
    ctx.say(p.unit ? `in ${p.unit}` + (weights && lay.narrow ? '; the thin bar is the attention weight' : '') : weights && lay.narrow ? 'the thin bar is the attention weight' : '');
  }
  return { draw, csv: () => [['group', 'name', `value${p.unit ? ` (${p.unit})` : ''}`, 'weight', 'low', 'high'], ...given.map((i) => [p.groups?.[i], p.labels[i], values[i], weights?.[i], low?.[i], high?.[i]])] };
};

kinds.waterfall = (p, ctx) => {
  const values = flat(p.values), sums = [p.start];
  for (const v of values) sums.push(sums.at(-1) + v);
  const steps = [{ name: p.start_label, from: 0, to: p.start, total: true }, ...Array.from(values, (v, i) => ({ name: p.labels[i], from: sums[i], to: sums[i + 1], v })),
    { name: p.end_label, from: 0, to: p.end, total: true }];
  function draw(width) {
    const lay = rowsLayout(width, steps.map((s) => s.name)), [a, b] = extent(sums), pad = (b - a || Math.abs(b) || 1) * .12;
    const anchored = a >= 0 ? Math.min(a, a - pad < 0 || a < (b - a) * 2 ? 0 : a - pad) : a - pad;
    const x = scale(anchored, b > 0 || a >= 0 ? b + pad * .2 : 0, lay.label + (lay.narrow ? 2 : 8), width - 74), height = steps.length * lay.step + 10;
    ctx.body.replaceChildren(canvasSvg(width, height, `${p.title}: from ${fmt(p.start)} to ${fmt(p.end)} in ${values.length} steps`, steps.map((s, at) => {
      const y = lay.top(at), base = s.total ? x(Math.max(anchored, Math.min(0, b + pad))) : x(s.from), end = x(s.to), left = Math.min(base, end);
      return g('g', { class: 'row' }, g('title', null, `${short(s.name, 300)}: ${withUnit(s.total ? fmt(s.to) : signed(s.v), p.unit)}`), lay.name(at, s.name),
        g('rect', { x: round(left), y, width: Math.max(1, round(Math.abs(end - base))), height: lay.thick, rx: 1, fill: s.total ? ctx.colour('quiet') : ctx.colour(s.v < 0 ? 'minus' : 'plus') }),
        at < steps.length - 1 ? g('path', { d: `M${round(end)} ${y + lay.thick}V${lay.top(at + 1)}`, class: 'link' }) : null,
        text(Math.max(base, end) + 6, y + 13, s.total ? withUnit(fmt(s.to), p.unit) : signed(s.v), { class: s.total ? 'num strong' : 'num' }));
    })));
    ctx.say(anchored > 0 ? `the axis starts at ${fmt(anchored)}` : p.unit ? `in ${p.unit}` : '');
  }
  return { draw, csv: () => [['name', 'change', 'running total'], [p.start_label, null, p.start], ...Array.from(values, (v, i) => [p.labels[i], v, sums[i + 1]]), [p.end_label, null, p.end]] };
};

function lines(p, ctx) {
  const time = p.kind === 'timeline', x = flat(time ? p.times : p.x), series = p.series.map((s) => ({ name: s.name, values: flat(s.values) }));
  const bands = p.bands.map((b) => ({ name: b.name, low: flat(b.low), high: flat(b.high) })), events = p.events || [], spans = p.spans || [];
  const xText = (v) => (p.dates ? dateText(v) : fmt(v, 4)), log = p.log_x ? Math.log10 : (v) => v;
  const order = Array.from(x, (_, i) => i).filter((i) => Number.isFinite(x[i])).sort((a, b) => x[a] - x[b]);
  const peak = Math.max(1e-12, ...events.map((e) => Math.abs(e[2] ?? 0))), heavy = Math.max(1e-12, ...events.map((e) => e[3] ?? 0));
  let at = null, cursor, place = () => 0;
  function say(i) {
    at = i;
    const v = x[order[i]], near = events.filter((e) => Math.abs(place(e[0]) - place(v)) < 6).slice(0, 3);
    cursor?.setAttribute('transform', `translate(${round(place(v))} 0)`);
    cursor?.setAttribute('visibility', 'visible');
    ctx.say([`${time ? '' : p.x_label ? p.x_label + ' ' : ''}${xText(v)}`, ...series.map((s) => `${short(s.name, 40)} ${fmt(s.values[order[i]])}`),
      ...near.map((e) => `${short(e[1], 60)}${e[2] === null ? '' : ` ${withUnit(signed(e[2]), p.unit)}`}${e[3] === null ? '' : ` (weight ${fmt(e[3])})`}`)].join('  ·  '));
  }
  function draw(width) {
    const direct = width > 560 && series.length > 1 && series.length < 9, lane = events.length ? (series.length ? 84 : 190) : 0;
    const right = direct ? Math.min(170, Math.max(...series.map((s) => measure(short(s.name, 40), 12))) + 14) : 12, left = 46, top = 26;
    const plot = series.length ? Math.round(Math.min(300, Math.max(180, width * .42))) : 0, bottom = top + plot, height = bottom + lane + 40;
    const xs = extent(x.filter(Number.isFinite), events.map((e) => e[0]), time ? spans.slice(0, 0) : (p.marks || []).map((m) => m[0])).map(log);
    const pos = scale(xs[0], xs[1], left + 4, width - right - 4);
    place = (v) => pos(log(v));
    const limits = extent(...series.map((s) => s.values), ...bands.flatMap((b) => [b.low, b.high]), p.threshold === undefined || p.threshold === null ? null : [p.threshold]);
    const tight = limits[0] >= 0 && limits[0] < .45 * limits[1] ? 0 : limits[0], grid = ticks(tight, limits[1], 5), gap = (limits[1] - tight || 1) * .04;
    const y = scale(Math.min(tight, grid[0] ?? tight) - (tight ? gap : 0), limits[1] + gap, bottom, top + 6), ground = bottom + lane;
    const many = Math.max(2, Math.floor((width - left - right) / 84));
    const marks = p.dates ? dateTicks(xs[0], xs[1], many) : (p.log_x ? ticks(xs[0], xs[1], many).filter((v) => v % 1 === 0 || xs[1] - xs[0] < 1.2).map((v) => [10 ** v, fmt(10 ** v, 2)]) : ticks(xs[0], xs[1], many).map((v) => [v, fmt(v, 5)]));
    const path = (values) => { let d = '', pen = false; for (const i of order) { const v = values[i]; if (Number.isNaN(v)) pen = false; else { d += `${pen ? 'L' : 'M'}${round(place(x[i]))} ${round(y(v))}`; pen = true; } } return d; };
    const area = (b) => { const ok = order.filter((i) => Number.isFinite(b.low[i]) && Number.isFinite(b.high[i])); return ok.length ? `M${ok.map((i) => `${round(place(x[i]))} ${round(y(b.high[i]))}`).join('L')}L${ok.reverse().map((i) => `${round(place(x[i]))} ${round(y(b.low[i]))}`).join('L')}Z` : ''; };
    const of = (name) => Math.max(0, series.findIndex((s) => s.name === name));
    const ends = series.map((s, i) => { const last = order.findLast((k) => Number.isFinite(s.values[k])); return { i, y: last === undefined ? bottom : y(s.values[last]) }; }).sort((a, b) => a.y - b.y);
    for (let turn = 0; turn < 20; turn++) for (let i = 1; i < ends.length; i++) { const need = 14 - (ends[i].y - ends[i - 1].y); if (need > 0) { ends[i].y += need / 2; ends[i - 1].y -= need / 2; } }
    const dash = (i) => ['', '6 3', '2 3', '9 3 2 3', '1 4', '12 4'][i % 6];
    let used = -1e9;
    const svg = canvasSvg(width, height, `${p.title}. ${series.map((s) => s.name).join(', ')} against ${time ? 'time' : p.x_label || 'x'}`,
      spans.map(([a, b, label]) => { const l = Math.max(left, place(a)), r = Math.min(width - right, place(b)), room = l > used; if (r <= l - 1) return null; if (room && label) used = l + measure(short(label, 30), 11) + 6;
        return g('g', null, g('title', null, `${label}: ${xText(a)} to ${xText(b)}`), g('rect', { x: round(l), y: top, width: Math.max(1.5, round(r - l)), height: ground - top, class: 'span' }), room ? text(l + 2, top + 11, fit(label, Math.max(60, width - right - l), 11), { class: 'spanname' }) : null); }),
      plot ? grid.map((v) => g('g', null, g('path', { d: `M${left} ${round(y(v))}H${width - right}`, class: 'grid' }), text(left - 7, y(v) + 4, fmt(v, 4), { class: 'tick', 'text-anchor': 'end' }))) : null,
      marks.map(([v, label]) => g('g', null, g('path', { d: `M${round(place(v))} ${ground}v5`, class: 'axis' }), text(place(v), ground + 18, label, { class: 'tick', 'text-anchor': place(v) > width - right - 20 ? 'end' : place(v) < left + 20 ? 'start' : 'middle' }))),
      g('path', { d: `M${left} ${ground}H${width - right}`, class: 'axis' }),
      plot ? text(0, 14, fit([p.y_label, p.unit && p.y_label !== p.unit && `(${p.unit})`].filter(Boolean).join(' '), width, 12), { class: 'axisname' }) : null,
      text(width - right, height - 4, fit(p.x_label || '', width, 12), { class: 'axisname', 'text-anchor': 'end' }),
      bands.map((b) => g('path', { d: area(b), fill: ctx.series(of(b.name)), 'fill-opacity': .16 })),
      p.threshold === undefined || p.threshold === null ? null : g('g', null, g('path', { d: `M${left} ${round(y(p.threshold))}H${width - right}`, class: 'threshold' }), text(left + 4, y(p.threshold) - 4, fmt(p.threshold), { class: 'tick' })),
      (p.marks || []).map(([v, label], i) => g('g', null, g('path', { d: `M${round(place(v))} ${top}V${bottom}`, class: 'threshold' }), text(place(v) + (place(v) > width * .7 ? -4 : 4), top + 11 + 13 * (i % 3), fit(label, 150, 11), { class: 'tick', 'text-anchor': place(v) > width * .7 ? 'end' : 'start' }))),
      series.map((s, i) => g('g', null, g('path', { d: path(s.values), class: 'line', stroke: ctx.series(i), 'stroke-dasharray': dash(i) }),
        order.length < 40 ? order.filter((k) => Number.isFinite(s.values[k])).map((k) => g('circle', { cx: round(place(x[k])), cy: round(y(s.values[k])), r: 2.4, fill: ctx.series(i) })) : null)),
      direct ? ends.map((e) => text(width - right + 8, e.y + 4, fit(series[e.i].name, right - 10, 12), { fill: ctx.series(e.i), class: 'direct' })) : null,
      eventLane(width, bottom, lane, left, right),
      cursor = g('g', { visibility: 'hidden' }, g('path', { d: `M0 ${top}V${ground}`, class: 'cursor' })));
    const legend = !direct && (series.length > 1) ? h('div', { class: 'legend' }, series.map((s, i) => h('span', { style: { color: ctx.series(i) } }, i ? ['', '╌ ', '┄ ', '╍ ', '┈ ', '┅ '][i % 6] : '━ ', h('bdi', null, short(s.name, 60))))) : null;
    const nearest = (event) => { const px = (event.clientX - svg.getBoundingClientRect().left) * width / svg.getBoundingClientRect().width; let best = 0; order.forEach((i, k) => { if (Math.abs(place(x[i]) - px) < Math.abs(place(x[order[best]]) - px)) best = k; }); return best; };
    if (order.length) {
      svg.addEventListener('pointermove', (event) => say(nearest(event)));
      svg.addEventListener('pointerdown', (event) => say(nearest(event)));
      make(svg, { tabindex: 0, keydown: (event) => { const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 }[event.key]; if (by) { event.preventDefault(); say(Math.min(order.length - 1, Math.max(0, (at ?? 0) + by))); } } }, []);
    }
    ctx.body.replaceChildren(...[legend, svg].filter(Boolean));
    if (at !== null) say(at); else ctx.say(events.length && heavy > 1e-9 ? 'events: height is the contribution, the disc its attention weight' : '');
  }
  /** Events on their own strip: height is the contribution, area the attention weight. */
  function eventLane(width, top, tall, left, right) {
    if (!tall) return null;
    const middle = events.some((e) => e[2] < 0) ? top + tall / 2 + 4 : top + tall - 6, reach = Math.min(middle - top - 24, 1e9), taken = [];
    const ranks = events.map((e, i) => i).sort((a, b) => Math.abs(events[b][2] ?? events[b][3] ?? 0) - Math.abs(events[a][2] ?? events[a][3] ?? 0));
    return g('g', null, g('path', { d: `M${left} ${middle}H${width - right}`, class: 'axis' }), text(0, top + 14, p.unit && !series.length ? p.unit : '', { class: 'axisname' }), ranks.map((k) => {
      const [when, label, value, weight] = events[k], px = place(when), py = middle - reach * (value ?? 0) / peak, r = weight === null ? 3.5 : 2 + 8 * Math.sqrt(Math.max(0, weight) / heavy);
      const half = measure(short(label, 24), 11) / 2 + 3, up = (value ?? 0) >= 0, ly = py + (up ? -r - 4 : r + 12), cx = Math.min(width - half, Math.max(half, px));
      const clear = taken.length < 40 && taken.every(([tx, ty, th]) => Math.abs(tx - cx) > th + half || Math.abs(ty - ly) > 12);
      if (clear) taken.push([cx, ly, half]);
      return g('g', { class: 'event' }, g('title', null, `${xText(when)} ${short(label, 200)}: ${withUnit(value === null ? '' : signed(value), p.unit)}${weight === null ? '' : `, weight ${fmt(weight)}`}`),
        g('path', { d: `M${round(px)} ${middle}V${round(py)}`, class: 'stem' }), g('circle', { cx: round(px), cy: round(py), r: round(r), fill: ctx.colour(up ? 'plus' : 'minus'), 'fill-opacity': .75 }),
        clear ? text(cx, ly, short(label, 24), { class: 'spanname', 'text-anchor': 'middle' }) : null);
    }));
  }
  return { draw, csv: () => [[time ? 'time' : p.x_label || 'x', ...series.map((s) => s.name), ...bands.flatMap((b) => [`${b.name} low`, `${b.name} high`])],
    ...Array.from(x, (v, i) => [p.dates ? dateText(v) : v, ...series.map((s) => s.values[i]), ...bands.flatMap((b) => [b.low[i], b.high[i]])]),
    ...(events.length ? [[], ['event time', 'event', 'value', 'weight'], ...events.map((e) => [xText(e[0]), e[1], e[2], e[3]])] : []),
    ...(spans.length ? [[], ['span from', 'to', 'label'], ...spans.map((s) => [xText(s[0]), xText(s[1]), s[2]])] : [])] };
}
kinds.timeline = lines;
kinds.curves = lines;

/** A table whose headers sort it; long ones open in pages. */
function table(p) {
  let by = -1, down = true, shown = 60;
  const rows = p.rows.map((row, i) => [i, row]), body = h('tbody'), note = h('p', { class: 'quiet' });
  const heads = p.columns.map((name, c) => h('th', { scope: 'col', class: p.numeric[c] ? 'n' : null, 'aria-sort': 'none' }, h('button', { type: 'button', class: 'sort', click: () => sort(c) }, h('bdi', null, short(name, 60)))));
  function sort(c) {
    down = by === c ? !down : p.numeric[c];
    by = c;
    const sign = down ? -1 : 1, order = new Intl.Collator(undefined, { numeric: true });
    rows.sort(([i, a], [j, b]) => (a[c] === null) - (b[c] === null) || sign * (p.numeric[c] ? a[c] - b[c] : order.compare(String(a[c]), String(b[c]))) || i - j);
    heads.forEach((head, k) => head.setAttribute('aria-sort', k === c ? (down ? 'descending' : 'ascending') : 'none'));
    fill();
  }
  function fill() {
    body.replaceChildren(...rows.slice(0, shown).map(([, row]) => h('tr', null, row.map((v, c) => h('td', { class: p.numeric[c] ? 'n' : null, title: typeof v === 'string' && v.length > 80 ? short(v, 400) : null }, typeof v === 'number' ? fmt(v, 4) : v === null ? '–' : h('bdi', null, short(v, 160)))))));
    note.replaceChildren(...(rows.length > shown ? [`${shown} of ${rows.length} rows `, h('button', { type: 'button', class: 'more', click: () => { shown *= 5; fill(); } }, 'show more')] : []));
  }
  fill();
  return h('div', null, h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': short(p.title || 'table', 200) }, h('table', { class: 'data' }, h('thead', null, h('tr', null, heads)), body)), note);
}
kinds.table = (p, ctx) => {
  ctx.body.replaceChildren(table(p));
  return { csv: () => [p.columns, ...p.rows] };
};
