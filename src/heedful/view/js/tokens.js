// Tokens: click one and see what it attends to, and what attends to it.

kinds.tokens = (p, ctx) => {
  const same = !p.keys,
    queries = p.queries,
    keys = p.keys || queries,
    Q = queries.length,
    K = keys.length,
    k = dims(p.index).at(-1),
    MOST = 20000;
  const [index, weight, adds, columns] = [p.index, p.weight, p.contribution, p.columns].map(flat),
    heads = p.heads.map((axis) => ({ ...axis, at: 0 })),
    back = new Map();
  let head = 0,
    chosen = null,
    tinted = [];
  /** Who attends to each key, for one head; made once, from the weights kept. */
  function reversed() {
    if (!back.has(head)) {
      const lists = new Map();
      for (let m = head * Q * k; m < (head + 1) * Q * k; m++)
        if (index[m] >= 0) {
          if (!lists.has(index[m])) lists.set(index[m], []);
          lists.get(index[m]).push(m);
        }
      back.set(head, lists);
    }
    return back.get(head);
  }
  const panels = (same ? [queries] : [queries, keys]).map((names, side) => {
    // copies of one element: thousands of them are made before the page can be read
    const seed = h('span', { class: 'tok', role: 'button', tabindex: -1 }),
      chips = names.slice(0, MOST).map((text, i) => {
        const chip = seed.cloneNode();
        chip.dataset.i = i;
        chip.textContent = show(short(text, 24)) || '␣';
        if (text.length > 24) chip.title = show(short(text, 300));
        return chip;
      });
    if (chips[0]) chips[0].tabIndex = 0;
    // in blocks, so that the browser lays out those in sight alone
    const blocks =
      chips.length < 1000
        ? chips
        : count(Math.ceil(chips.length / 250)).map((b) =>
            h('div', null, chips.slice(250 * b, 250 * b + 250)),
          );
    const at = (event) => Number(event.target.closest('.tok')?.dataset.i ?? NaN),
      el = h(
        'div',
        {
          class: 'toks',
          role: 'group',
          'aria-label': same ? 'tokens' : side ? 'keys' : 'queries',
          click: (event) => at(event) >= 0 && choose(side, at(event)),
          keydown: (event) => {
            if ((event.key === 'Enter' || event.key === ' ') && at(event) >= 0) {
              event.preventDefault();
              choose(side, at(event));
            }
          },
        },
        blocks,
        names.length > MOST
          ? h('p', { class: 'quiet' }, `the first ${MOST} of ${names.length}; find the others by name`)
          : null,
      );
    onArrows(el, (dx, dy) => {
      const from = Number(document.activeElement.dataset.i || 0),
        to = chips[clamp(from + dx + 10 * dy, 0, chips.length - 1)];
      chips[from].tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
    });
    return { el, chips };
  });
  function tint(pairs, chips) {
    for (const el of tinted) el.style.removeProperty('--w');
    const peak = Math.max(1e-12, extent(pairs.map(([, w]) => w))[1]);
    tinted = pairs
      .map(([i, w]) => {
        chips[i]?.style.setProperty('--w', `${Math.round(3 + (62 * Math.max(0, w)) / peak)}%`);
        return chips[i];
      })
      .filter(Boolean);
  }
  /** With nothing chosen the keys show how much attention they receive. */
  function rest() {
    ctx.show();
    tint(
      columns
        ? count(Math.min(K, MOST))
            .map((j) => [j, columns[head * K + j]])
            .filter(([, w]) => w > 0)
        : [],
      panels.at(-1).chips,
    );
    ctx.say(
      columns && 'shade: attention received from all queries',
      'click a token to see what it attends to',
    );
  }
  function choose(side, i, keep) {
    panels.forEach(({ chips }) => chosen && chips[chosen[1]]?.removeAttribute('aria-pressed'));
    if (!keep && chosen?.[0] === side && chosen[1] === i) {
      chosen = null;
      return rest();
    }
    chosen = [side, i];
    const chip = panels[side].chips[i],
      first = (head * Q + i) * k,
      to = side
        ? []
        : count(k)
            .map((m) => first + m)
            .filter((m) => index[m] >= 0),
      by = side || same ? reversed().get(i) || [] : [],
      asker = (m) => Math.floor(m / k) % Q;
    const row = (names, at) => (m) => ({
      name: names[at(m)].length < 4 ? `${names[at(m)]} · ${at(m) + 1}` : names[at(m)],
      at: at(m),
      weight: weight[m],
      contribution: adds?.[m],
    });
    if (side)
      tint(
        by.map((m) => [asker(m), weight[m]]),
        panels[0].chips,
      );
    else
      tint(
        to.map((m) => [index[m], weight[m]]),
        panels.at(-1).chips,
      );
    ctx.show(
      !side &&
        ranked(
          `${short(queries[i], 40)} attends to`,
          to.map(row(keys, (m) => index[m])),
          (j) => choose(same ? 0 : 1, j),
          p.unit,
        ),
      (side || same) &&
        ranked(
          `${short(keys[i], 40)} is attended to by`,
          by.map(row(queries, asker)),
          (j) => choose(0, j),
          p.unit,
        ),
    );
    ctx.say(
      `${short(side ? keys[i] : queries[i])} (${i + 1})`,
      !side &&
        `its ${to.length} strongest keys hold ${fmt(100 * to.reduce((sum, m) => sum + weight[m], 0))} % of its attention`,
      columns && (side || same) && `receives ${fmt(columns[head * K + i])} from all queries`,
    );
    chip?.setAttribute('aria-pressed', 'true');
    chip?.scrollIntoView({ block: 'nearest' });
  }
  for (const axis of heads) {
    const out = h('output', null, short(axis.names[0], 24));
    ctx
      .slider(
        axis.axis,
        { max: axis.names.length - 1, step: 1, value: 0, 'aria-valuetext': axis.names[0] },
        (at, slider) => {
          axis.at = at;
          out.textContent = show(short(axis.names[at], 24));
          slider.setAttribute('aria-valuetext', out.textContent);
          head = heads.reduce((sum, a) => sum * a.names.length + a.at, 0);
          if (chosen) choose(...chosen, true);
          else rest();
        },
      )
      .after(out);
  }
  finder(ctx, queries, (i) => choose(0, i, true));
  return {
    draw: () => {
      if (panels[0].el.isConnected) return;
      ctx.put(
        ...(same
          ? [panels[0].el]
          : [h('h4', null, 'queries'), panels[0].el, h('h4', null, 'keys'), panels[1].el]),
      );
      rest();
    },
    csv: () => {
      const kept = count(index.length).filter((m) => index[m] >= 0),
        each = (f) => kept.map(f);
      let span = Q * k;
      const lead = heads.toReversed().map((a) => {
        const size = span;
        span *= a.names.length;
        return [a.axis, each((m) => a.names[Math.floor(m / size) % a.names.length])];
      });
      return table2rows([
        ...lead.reverse(),
        ['query', each((m) => queries[Math.floor(m / k) % Q])],
        ['query number', each((m) => (Math.floor(m / k) % Q) + 1)],
        ['key', each((m) => keys[index[m]])],
        ['key number', each((m) => index[m] + 1)],
        ['weight', each((m) => weight[m])],
        ['contribution', adds && each((m) => adds[m])],
      ]);
    },
  };
};
