"use strict";

// Maps: their cells in any metric, and the numbers of a cell by pointer, touch or arrow keys. Without scripts the pages
// still show the map of every method in utility × healed.

Object.assign(unlearnbench, (() => {
  const { load, cell: valuesOf, estimate, mean, known, number, interval } = unlearnbench;
  const MARKS = {
    ".": ["", ""], p: ["pf", "some failed"], x: ["x", "all failed"], q: ["pm", "some not run"], m: ["m", "not run"],
  };
  const SHORT = ["product", "healed", "undisc.", "test", "attack", "utility"]; // in the order of the metrics

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // ---- Maps

  // The colour is of how good a value is: of attack success, less is better.
  function shade(metric, value) {
    const good = metric === "attack_success" ? 100 - value : value;
    return `s${number(Math.min(Math.max(good, 0), 100), 0)}`;
  }

  function paint(td, metric, value, state = ".") {
    const [mark, said] = MARKS[state];
    const extra = td.classList.contains("origin") ? " origin" : "";
    const none = Number.isNaN(value);
    td.className = `${none ? (state === "m" ? "" : "none") : shade(metric, value)} ${mark}`.trim() + extra;
    const bare = none || state === "x" || state === "m"; // the mark stands in the place of a number
    td.replaceChildren(...(bare ? [] : [number(value, 0)]));
    if (said || none) td.append(element("i", said || "no value"));
  }

  // Show a metric of a method in a table that has the cells of its map.
  function fill(table, data, method, metric) {
    const index = data.metrics.findIndex(([name]) => name === metric);
    [...table.tBodies[0].rows].forEach((line, row) => {
      for (const td of line.querySelectorAll("td")) {
        const column = td.cellIndex - first(table);
        if (column < 0) {
          const original = method.originals[row][index];
          paint(td, metric, original ?? NaN, original === null && metric === "aggregate" ? "m" : ".");
        } else paint(td, metric, mean(known(valuesOf(method, metric, row, column))), method.states[row][column]);
      }
    });
    table.caption.textContent = `${method.name}: ${data.metrics[index][1].toLowerCase()} in percent`;
  }

  // What the colours of the legend stand for.
  function legend(metric) {
    const [low, , high] = document.querySelector(".ramp-box").children;
    const turned = metric === "attack_success";
    low.textContent = turned ? "100" : "0";
    high.textContent = turned ? "0%, darker is better" : "100%, darker is better";
  }

  const first = (table) => (table.classList.contains("detail") ? 2 : 1); // the place of the first rate in a row

  // ---- The numbers of a cell

  const tip = element("div", undefined, "tip");
  tip.setAttribute("role", "status"); // read out when it changes
  tip.hidden = true;
  let current = null; // the cell whose numbers are shown
  let pinned = false; // by a click or a tap: stays until another, or until Escape

  // How many trials failed or were not run, and how they count in the mean.
  function note(count, trials, empty) {
    const failed = trials.filter((trial) => typeof trial === "string").length;
    const missing = trials.filter((trial) => trial === null).length;
    const parts = [];
    if (failed) parts.push(count > 1 ? `${failed} of ${count} failed, each counts as 0` : "failed, counts as 0");
    if (empty) parts.push("not run");
    else if (missing) parts.push(`${missing} of ${count} not run, the mean is over the others`);
    return parts.join("; ");
  }

  function spread(product) {
    const { low, high, seeds } = estimate(product);
    if (!Number.isNaN(low)) return `95% interval ${interval(low, high)} over ${seeds} seeds`;
    return seeds > 2 ? `the same in all ${seeds} seeds` : `no interval of ${seeds} ${seeds === 1 ? "seed" : "seeds"}`;
  }

  function describe(data, method, row, column) {
    const where = data.rows[row][1];
    if (column < 0) {
      const values = method.originals[row].map((value) => value ?? NaN);
      const said = Number.isNaN(values[0]) ? "no original is stored" : "";
      return { where: `${where}, original model, before any repair`, values, note: said, interval: "", seeds: [] };
    }
    const cells = data.metrics.map(([metric]) => valuesOf(method, metric, row, column));
    const count = method.seeds.length;
    const trials = method.seeds.map((_, seed) => method.trials[`${row},${column},${seed}`]); // undefined: it finished
    const empty = method.states[row][column] === "m";
    const seeds = method.seeds.map((seed, index) => {
      const why = trials[index] === null ? "not run" : trials[index] && `failed: ${trials[index]}`;
      return [`seed ${data.seeds[seed]}`, ...(why ? [why] : cells.map((values) => number(values[index])))];
    });
    return {
      where: `${where}, ${data.rates[column]}% discovered`,
      part: `${data.rows[row][0]},${data.rates[column]}`,
      values: cells.map((values) => mean(known(values))),
      note: note(count, trials, empty),
      interval: empty ? "" : spread(cells[0]),
      // A single trial repeats the cell's own value: list it only with a reason of failure.
      seeds: seeds.filter((_, index) => count > 1 || typeof trials[index] === "string"),
    };
  }

  function write(data, method, said) {
    const head = element("p", undefined, "tip-head");
    head.append(element("strong", method.name), element("span", said.where));
    tip.replaceChildren(head);
    const measured = !Number.isNaN(said.values[0]);
    if (measured) {
      const score = element("p", undefined, "tip-score");
      const unit = element("span", "utility × healed, percent");
      unit.append(element("br"), said.interval);
      score.append(element("b", number(said.values[0])), unit);
      tip.append(score);
    }
    if (said.note) tip.append(element("p", said.note, "tip-note"));
    if (measured) {
      const list = element("dl");
      data.metrics.slice(1).forEach(([, label], index) => {
        if (Number.isNaN(said.values[index + 1])) return;
        const pair = element("div");
        pair.append(element("dt", label), element("dd", number(said.values[index + 1])));
        list.append(pair);
      });
      tip.append(list);
    }
    if (said.seeds.length) tip.append(table(said.seeds));
    if (said.part) {
      const link = element("a", "Rank the methods in this cell");
      link.href = `index.html?part=${encodeURIComponent(said.part)}#ranking-title`;
      const last = element("p", undefined, "tip-link");
      last.append(link);
      tip.append(last);
    }
  }

  function table(seeds) {
    const made = element("table");
    const header = made.createTHead().insertRow();
    for (const text of ["", ...SHORT]) {
      const cell = element("th", text);
      cell.scope = "col";
      header.append(cell);
    }
    const body = made.createTBody();
    for (const [label, ...values] of seeds) {
      const row = body.insertRow();
      const head = element("th", label);
      head.scope = "row";
      row.append(head);
      row.append(...values.map((text) => element("td", text)));
      if (values.length === 1) row.lastChild.colSpan = SHORT.length; // why there are no values
    }
    return made;
  }

  // Over or under the map, so that it hides none of it; on a narrow screen the style sheet puts it at the bottom.
  function place(cell) {
    const box = cell.closest("table").getBoundingClientRect();
    const at = cell.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(at.left + at.width / 2 - tip.offsetWidth / 2, width - tip.offsetWidth - 8));
    const fitsBelow = box.bottom + 8 + tip.offsetHeight < window.innerHeight;
    const top = fitsBelow || box.top < tip.offsetHeight + 8 ? box.bottom + 8 : box.top - tip.offsetHeight - 8;
    tip.style.left = `${left + window.scrollX}px`;
    tip.style.top = `${top + window.scrollY}px`;
    if (getComputedStyle(tip).position !== "fixed") return;
    const covered = at.bottom + 8 - (window.innerHeight - tip.offsetHeight);
    if (covered > 0) window.scrollBy(0, covered);
  }

  async function show(cell, pin) {
    if (current === cell) {
      pinned = pinned || pin;
      return;
    }
    hide();
    current = cell;
    pinned = pin;
    cell.classList.add("current");
    const shown = cell.closest("table");
    const data = await load();
    if (current !== cell) return;
    const method = data.methods[shown.dataset.of];
    write(data, method, describe(data, method, cell.parentElement.sectionRowIndex, cell.cellIndex - first(shown)));
    tip.hidden = false;
    place(cell);
  }

  function hide() {
    if (current) current.classList.remove("current");
    current = null;
    pinned = false;
    tip.hidden = true;
  }

  const cellOf = (target) => (target instanceof Element ? target.closest(".heat tbody td") : null);

  // One stop of the Tab key for each map; arrow keys move within it.
  function stop(cell) {
    for (const other of cell.closest("tbody").querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    cell.tabIndex = 0;
  }

  const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  function neighbour(cell, key) {
    const cells = [...cell.parentElement.querySelectorAll("td")];
    if (key === "Home") return cells[0];
    if (key === "End") return cells[cells.length - 1];
    const [down, right] = MOVES[key];
    const row = cell.closest("tbody").rows[cell.parentElement.sectionRowIndex + down];
    const next = row && row.cells[cell.cellIndex + right];
    return next && next.matches("td") ? next : null;
  }

  function walkable(shown) {
    shown.setAttribute("role", "grid");
    shown.tBodies[0].querySelector("td").tabIndex = 0;
  }

  function maps() {
    document.body.append(tip);
    document.querySelectorAll(".heat[data-of]").forEach(walkable);
    const live = (target) => {
      const cell = cellOf(target);
      return cell && cell.closest("[data-of]") ? cell : null;
    };
    document.addEventListener("pointerover", (event) => {
      if (event.pointerType !== "mouse" || pinned || tip.contains(event.target)) return;
      const cell = live(event.target);
      if (cell) show(cell, false);
      else if (!(current && current === document.activeElement)) hide();
    });
    document.addEventListener("focusin", (event) => {
      if (tip.contains(event.target)) return;
      const cell = live(event.target);
      if (cell) show(cell, false);
      else hide();
    });
    document.addEventListener("click", (event) => {
      if (tip.contains(event.target)) return;
      const cell = live(event.target);
      if (!cell || (cell === current && pinned)) {
        hide();
        return;
      }
      stop(cell);
      cell.focus({ preventScroll: true });
      show(cell, true);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      const cell = live(event.target);
      if (!cell || !(event.key in MOVES || event.key === "Home" || event.key === "End")) return;
      event.preventDefault();
      const next = neighbour(cell, event.key);
      if (!next) return;
      stop(next);
      next.focus();
    });
    window.addEventListener("resize", hide);
  }

  // The seeds of a bar, in percent.
  function dots(bar, values) {
    bar.append(...values.map((at) => {
      const dot = element("i");
      dot.style.setProperty("--at", at.toFixed(1));
      return dot;
    }));
  }

  for (const bar of document.querySelectorAll(".bar")) dots(bar, bar.dataset.seeds.split(" ").map(Number));
  maps();
  return { element, describe, dots, fill, legend, walkable, hide };
})());
