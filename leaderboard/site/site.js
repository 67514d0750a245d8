"use strict";

// Sorting, filtering and the numbers of a cell. Without this script the pages still show every number.

const unlearnbench = (() => {
  const METRICS = ["Healed (train)", "Healed (undiscovered)", "Healed (test)", "Utility"];
  const loaded = new Map(); // page of a method -> promise of the numbers of its cells
  const receivers = new Map();

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // The numbers of a method's cells, fetched when they are first asked for. A script, because pages that were
  // opened from the file system may not fetch.
  function numbers(page) {
    if (!loaded.has(page)) {
      loaded.set(page, new Promise((resolve, reject) => {
        receivers.set(page, resolve);
        const script = element("script");
        script.src = `${page}.js`;
        script.onerror = () => reject(new Error(`${script.src} cannot be read`));
        document.head.append(script);
      }));
    }
    return loaded.get(page);
  }

  function receive(page, data) {
    receivers.get(page)(data);
  }

  // ---- The numbers of a cell

  const tip = element("div", undefined, "tip");
  tip.setAttribute("role", "status"); // read out when it changes
  tip.hidden = true;
  let current = null; // the cell whose numbers are shown
  let pinned = false; // by a click or a tap: stays until another, or until Escape

  function fill(name, cell) {
    const head = element("p", undefined, "tip-head");
    head.append(element("strong", name), element("span", cell.where));
    tip.replaceChildren(head);
    if (cell.values.length) {
      const score = element("p", undefined, "tip-score");
      const words = element("span", "utility × healed, percent");
      words.append(element("br"), cell.interval);
      score.append(element("b", cell.values[METRICS.length]), words);
      tip.append(score);
    }
    if (cell.note) tip.append(element("p", cell.note, "tip-note"));
    if (cell.values.length) {
      const list = element("dl");
      METRICS.forEach((metric, index) => {
        const pair = element("div");
        pair.append(element("dt", metric), element("dd", cell.values[index]));
        list.append(pair);
      });
      tip.append(list);
    }
    if (cell.trials.length) tip.append(seeds(cell.trials));
  }

  function seeds(trials) {
    const table = element("table");
    const header = table.createTHead().insertRow();
    for (const text of ["", "healed", "undisc.", "test", "utility", "product"]) {
      const cell = element("th", text);
      cell.scope = "col";
      header.append(cell);
    }
    const body = table.createTBody();
    for (const [label, ...values] of trials) {
      const row = body.insertRow();
      const head = element("th", label);
      head.scope = "row";
      row.append(head);
      row.append(...values.map((text) => element("td", text)));
      if (values.length === 1) row.lastChild.colSpan = 5; // why there are no values
    }
    return table;
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
    const { page, first } = cell.closest("table").dataset;
    const data = await numbers(page);
    if (current !== cell) return;
    const row = data.rows[cell.parentElement.sectionRowIndex];
    const column = cell.cellIndex - Number(first);
    fill(data.name, column < 0 ? row.original : row.cells[column]);
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

  function maps() {
    const bodies = document.querySelectorAll(".heat[data-page] tbody");
    if (!bodies.length) return;
    document.body.append(tip);
    for (const body of bodies) {
      body.closest("table").setAttribute("role", "grid");
      body.querySelector("td").tabIndex = 0;
    }
    const live = (target) => {
      const cell = cellOf(target);
      return cell && cell.closest("[data-page]") ? cell : null;
    };
    document.addEventListener("pointerover", (event) => {
      if (event.pointerType !== "mouse" || pinned || tip.contains(event.target)) return;
      const cell = live(event.target);
      if (cell) show(cell, false);
      else if (!(current && current === document.activeElement)) hide();
    });
    document.addEventListener("focusin", (event) => {
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

  // ---- Sorting and filtering, of the table and the maps alike

  function value(row, column) {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent.trim().toLowerCase() : cell.dataset.v;
  }

  function compare(a, b, numeric, direction) {
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value stands last, both ways
    return direction * (numeric ? Number(a) - Number(b) : a < b ? -1 : Number(a > b));
  }

  function sort(table, header) {
    const initial = header.dataset.sort === "falling" ? "descending" : "ascending";
    const opposite = { ascending: "descending", descending: "ascending" };
    const order = opposite[header.getAttribute("aria-sort")] || initial;
    for (const other of table.tHead.rows[0].cells) if (other.dataset.sort) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", order);
    const direction = order === "ascending" ? 1 : -1;
    for (const body of table.tBodies) {
      const rows = [...body.querySelectorAll("tr[data-method]")];
      const keys = new Map(rows.map((row) => [row, value(row, header.cellIndex)]));
      rows.sort((a, b) => compare(keys.get(a), keys.get(b), header.dataset.kind === "number", direction));
      body.append(...rows);
      const figures = document.getElementById(body.dataset.maps);
      figures.append(...rows.map((row) => document.getElementById(row.dataset.method)));
    }
  }

  function ranking() {
    const table = document.getElementById("ranking");
    if (!table) return;
    for (const header of table.tHead.rows[0].cells) {
      if (!header.dataset.sort) continue;
      const button = element("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(table, header));
    }
    const form = document.getElementById("filter");
    form.hidden = false;
    for (const kind of ["input", "change"]) form.addEventListener(kind, () => filter(table, form));
    form.addEventListener("submit", (event) => event.preventDefault());
    filter(table, form); // a browser may have kept what was typed before
  }

  function filter(table, form) {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const group = form.elements.group.value;
    let shown = 0;
    let total = 0;
    for (const body of table.tBodies) {
      const figures = document.getElementById(body.dataset.maps);
      const rows = [...body.querySelectorAll("tr[data-method]")];
      let left = 0;
      for (const row of rows) {
        const text = row.querySelector("th").textContent.toLowerCase();
        const fits = (!group || group === body.dataset.maps) && words.every((word) => text.includes(word));
        row.hidden = !fits;
        document.getElementById(row.dataset.method).hidden = !fits;
        left += fits;
      }
      body.hidden = figures.parentElement.hidden = left === 0;
      shown += left;
      total += rows.length;
    }
    const state = shown === total ? `All ${total} shown` : `${shown} of ${total} shown`;
    document.getElementById("shown").textContent = shown ? state : "No method fits the filter";
    hide();
  }

  maps();
  ranking();
  return { receive };
})();
