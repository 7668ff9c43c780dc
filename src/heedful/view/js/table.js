// Tables.

/** A table whose headers sort it; a long one opens in parts. */
kinds.table = (p, ctx) => {
  let by = -1,
    down = true,
    shown = 60;
  const rows = p.rows.map((row, i) => [i, row]),
    order = new Intl.Collator(undefined, { numeric: true });
  const heads = p.columns.map((text, c) =>
    h('button', { type: 'button', class: 'sort', click: () => sort(c) }, name(text)),
  );
  const cell = (v) => (typeof v === 'number' ? fmt(v, 4) : v === null ? '–' : name(v, 160));
  function sort(c) {
    down = by === c ? !down : p.numeric[c];
    by = c;
    rows.sort(
      ([i, a], [j, b]) =>
        (a[c] === null) - (b[c] === null) ||
        (down ? -1 : 1) * (p.numeric[c] ? a[c] - b[c] : order.compare(a[c], b[c])) ||
        i - j,
    );
    fill();
    heads[c].focus();
  }
  function fill() {
    const made = grid(
      'sortable',
      heads,
      rows.slice(0, shown).map(([, row]) => row.map(cell)),
      p.numeric,
    );
    heads.forEach((head, c) =>
      head.parentNode.setAttribute('aria-sort', c === by ? (down ? 'descending' : 'ascending') : 'none'),
    );
    make(made, { tabindex: 0, role: 'region', 'aria-label': short(p.title || 'table', 200) }, []);
    ctx.put(
      made,
      rows.length > shown &&
        h(
          'button',
          {
            type: 'button',
            class: 'more',
            click: () => {
              shown *= 5;
              fill();
            },
          },
          `${shown} of ${rows.length} rows; show more`,
        ),
    );
  }
  fill();
  return { csv: () => [p.columns, ...p.rows] };
};
