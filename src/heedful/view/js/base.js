// Ground: text, elements, numbers, arrays, colours and scales. Names are text and never markup:
// everything reaches the page through textContent or setAttribute, after show().

const SVG = 'http://www.w3.org/2000/svg';

const isMissing = Number.isNaN,
  isKnown = Number.isFinite;

/** Make any string safe to look at: control characters become visible, direction overrides go. */
function show(value) {
  return /^[ -~]*$/.test(value)
    ? String(value)
    : String(value)
        .replace(/[\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g, '\ufffd')
        .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
        .replace(/[\u0000-\u0009\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
        .replace(/[\u007f-\u009f]/g, '\ufffd');
}

function make(el, attrs, kids) {
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') el.addEventListener(name, value);
    else if (name === 'style') for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else
      el.setAttribute(
        name,
        value === true ? '' : typeof value === 'number' && Math.abs(value) > 1 ? round(value) : show(value),
      );
  }
  for (const kid of kids.flat(9)) {
    if (kid === null || kid === undefined || kid === false) continue;
    el.append(kid.nodeType ? kid : show(kid));
  }
  return el;
}
const h = (tag, attrs, ...kids) => make(document.createElement(tag), attrs, kids);
const g = (tag, attrs, ...kids) => make(document.createElementNS(SVG, tag), attrs, kids);
const name = (value, n = 60) =>
  h('bdi', { title: String(value).length > n ? short(value, 400) : null }, short(value, n));

// Pieces of a drawing
const round = (v) => Math.round(v * 10) / 10;
/** A path whose numbers are rounded: d`M${x} ${y}H${z}`. */
const d = (text, ...values) =>
  String.raw({ raw: text }, ...values.map((v) => (typeof v === 'number' ? round(v) : v)));
const stroke = (kind, path, attrs) => g('path', { d: path, class: kind, ...attrs });
const label = (x, y, value, kind = 'tick', anchor = 'start', attrs) =>
  g('text', { x, y, class: kind, 'text-anchor': anchor, ...attrs }, value);
const tip = (value) => g('title', null, value);
const sheet = (width, height, about, ...kids) =>
  g(
    'svg',
    {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': short(about, 300),
      tabindex: 0,
    },
    kids,
  );
/** Where a pointer is, in the element's own pixels. */
function local(event, el) {
  const box = el.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
const ARROWS = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  PageDown: [10, 0],
  PageUp: [-10, 0],
};
/** Let arrow keys act: act(dx, dy). */
const onArrows = (el, act) =>
  el.addEventListener('keydown', (event) => {
    const by = ARROWS[event.key];
    if (by) {
      event.preventDefault();
      act(...by);
    }
  });
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));
const count = (n) => Array.from({ length: n }, (_, i) => i);
/** Columns to rows for a CSV; a column that is null is left out. */
function table2rows(columns) {
  const kept = columns.filter(([, values]) => values);
  return [
    kept.map(([head]) => head),
    ...count(kept[0][1].length).map((i) => kept.map(([, values]) => values[i])),
  ];
}

/** The part of a text that fits a width in pixels, with an ellipsis where it was cut. */
const pen = document.createElement('canvas').getContext('2d');
const FONT = 'system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif';
function measure(text, size = 12, weight = 400) {
  pen.font = `${weight} ${size}px ${FONT}`;
  return pen.measureText(text).width;
}
function fit(value, width, size = 12, weight = 400) {
  let text = show(value).slice(0, 200).replace(/\s+/g, ' ');
  if (measure(text, size, weight) <= width) return text;
  let low = 0,
    high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(text.slice(0, middle) + '…', size, weight) <= width) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, low).replace(/[\ud800-\udbff]$/, '') + '…';
}
/** Keeps labels apart: of the spots for a text, the first that lies within and meets no other label. */
function keeper(width) {
  const taken = [];
  return (text, spots) => {
    const w = measure(text, 11),
      spot = spots.find(
        ([x, y]) =>
          x > 0 &&
          x + w < width &&
          y > 10 &&
          taken.every(([a, b, c]) => x > a + c + 3 || a > x + w + 3 || Math.abs(b - y) > 11),
      );
    if (spot) taken.push([...spot, w]);
    return spot;
  };
}
const short = (value, n = 60) => {
  const t = [...String(value).slice(0, 4 * n)];
  return t.length > n ? t.slice(0, n - 1).join('') + '…' : t.join('');
};

/** A number for people: three or four significant digits, a real minus sign, a dash where missing. */
function fmt(v, digits = 3) {
  if (v === null || v === undefined || isMissing(v)) return '–';
  const a = Math.abs(v);
  let text;
  if (a !== 0 && (a < 1e-4 || a >= 1e7)) text = v.toExponential(1).replace('e+', 'e');
  else if (Number.isInteger(v)) text = a >= 1e4 ? v.toLocaleString('en-GB') : String(v);
  else
    text = a >= 10 ** digits ? Math.round(v).toLocaleString('en-GB') : String(Number(v.toPrecision(digits)));
  return text.replace(/-/g, '−');
}
const signed = (v) => (v > 0 ? '+' : '') + fmt(v);
const withUnit = (text, unit) => (!unit ? text : unit === '%' ? text + '%' : `${text} ${unit}`);

/** The numbers of a packed or nested array, flat; null becomes NaN. */
const TYPES = {
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  f4: Float32Array,
  f8: Float64Array,
};
function flat(x) {
  if (x === null || x === undefined) return null;
  if (Array.isArray(x)) return Float64Array.from(x.flat(9), (v) => (v === null ? NaN : v));
  const raw = atob(x.b),
    bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new TYPES[x.d](bytes.buffer);
}
function dims(x) {
  if (!Array.isArray(x)) return x.s;
  const out = [];
  for (let y = x; Array.isArray(y); y = y[0]) out.push(y.length);
  return out;
}
function extent(...arrays) {
  let low = Infinity,
    high = -Infinity;
  for (const a of arrays)
    for (const v of a || []) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
  return low <= high ? [low, high] : [0, 1];
}

// Colour. Ramps are straight lines of lightness in OKLab (Ottosson 2020), so that equal steps of value
// look like equal steps; blue against orange stays apart for every kind of colour vision.
function oklab(L, C, hue) {
  const a = C * Math.cos((hue * Math.PI) / 180),
    b = C * Math.sin((hue * Math.PI) / 180);
  return [L, a, b];
}
function rgb([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3,
    m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3,
    s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((v) => {
    v = Math.min(1, Math.max(0, v));
    return Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
  });
}
const ANCHORS = {
  light: {
    magnitude: [
      [0.985, 0.004, 110],
      [0.76, 0.1, 195],
      [0.33, 0.13, 265],
    ],
    diverging: [
      [0.4, 0.14, 255],
      [0.975, 0, 0],
      [0.5, 0.15, 45],
    ],
  },
  dark: {
    magnitude: [
      [0.215, 0.015, 262],
      [0.58, 0.1, 225],
      [0.95, 0.11, 105],
    ],
    diverging: [
      [0.8, 0.12, 240],
      [0.215, 0.012, 262],
      [0.82, 0.14, 65],
    ],
  },
  heat: [
    [0.5, 0.19, 25],
    [0.72, 0.17, 60],
    [0.94, 0.13, 105],
  ],
};
const ramps = new Map();
function ramp(theme, name) {
  const key = theme + name;
  if (!ramps.has(key)) {
    const stops = (name === 'heat' ? ANCHORS.heat : ANCHORS[theme][name]).map((stop) => oklab(...stop));
    ramps.set(
      key,
      Array.from({ length: 256 }, (_, i) => {
        const t = (i / 255) * (stops.length - 1),
          at = Math.min(stops.length - 2, Math.floor(t)),
          u = t - at;
        return rgb(stops[at].map((v, c) => v + u * (stops[at + 1][c] - v)));
      }),
    );
  }
  return ramps.get(key);
}
const css = ([r, gr, b], alpha = 1) => `rgb(${r} ${gr} ${b} / ${alpha})`;
/** Black or white, whichever reads better on a colour. */
const inkOn = ([r, gr, b]) => (0.299 * r + 0.587 * gr + 0.114 * b > 140 ? '#14161a' : '#ffffff');

// Scales and ticks
const scale = (d0, d1, r0, r1) => (v) => r0 + (d1 === d0 ? 0.5 : (v - d0) / (d1 - d0)) * (r1 - r0);
function ticks(low, high, count = 5) {
  const span = high - low || 1,
    raw = span / Math.max(1, count),
    power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((v) => v >= raw * 0.999);
  const out = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step)
    out.push(Math.abs(v) < step / 1e6 ? 0 : v);
  return out;
}
/** Ticks on a logarithmic axis, given as powers of ten: 1, 2 and 5 where there is room, else the powers. */
function logTicks(low, high, count) {
  const powers = [];
  for (let k = Math.floor(low); k <= Math.ceil(high); k++) powers.push(k);
  const fine = 3 * (high - low) <= count,
    step = fine ? 1 : Math.ceil((high - low) / count);
  return powers
    .filter((k) => k % step === 0)
    .flatMap((k) => (fine ? [1, 2, 5] : [1]).map((m) => m * 10 ** k))
    .filter((v) => v >= 10 ** low * 0.999 && v <= 10 ** high * 1.001);
}
const DAY = 864e5,
  MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
function dateText(day) {
  if (!isKnown(day)) return '–';
  const iso = new Date(Math.round(day * DAY)).toISOString();
  return day % 1 ? iso.slice(0, 16).replace('T', ' ') : iso.slice(0, 10);
}
/** Ticks at round calendar places: [[day, label], ...]. */
function dateTicks(low, high, count) {
  const months = (high - low) / 30.44 / count,
    out = [];
  if (months < 0.6) {
    return ticks(low, high, count)
      .filter((d) => high - low < 3 || d % 1 === 0)
      .map((d) => [d, dateText(d).slice(high - low < 3 ? 5 : 0)]);
  }
  const step = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200].find((m) => m >= months) || 2400;
  const first = new Date(low * DAY);
  let at = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth()) / step) * step;
  for (; ; at += step) {
    const day = Date.UTC(Math.floor(at / 12), at % 12, 1) / DAY;
    if (day > high) return out;
    if (day >= low)
      out.push([day, step < 12 ? `${MONTHS[at % 12]} ${Math.floor(at / 12)}` : String(Math.floor(at / 12))]);
  }
}
