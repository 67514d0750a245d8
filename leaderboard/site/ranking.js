"use strict";

// The ranking of a part of the plane, in any metric, sorted and filtered; the maps follow. What is shown stands in the
// address, so that it can be sent: part, show (a metric), sort, order, group, find.

(() => {
  const { load, part, words, score, number, interval, element, dots, fill, legend, hide } = unlearnbench;
  const table = document.getElementById("ranking");
  const form = document.getElementById("filter");
  const plane = document.getElementById("plane");
  const headers = [...table.tHead.rows[0].cells];
  const rows = [...table.querySelectorAll("tr[data-method]")];
  const ORDERS = { falling: "descending", rising: "ascending" };
  const PRODUCT = "aggregate";
  const nameOf = (header) => header.dataset.metric || header.dataset.name;
  const wholeRank = new Map(rows.map((row) => [row, [...row.cells[0].childNodes, row.cells[0].dataset.v]]));
  const view = { part: "", show: "", sort: "", order: "", group: "", find: "" };
  let data = null;

  // ---- The address

  function read() {
    const given = new URLSearchParams(location.search);
    for (const key of Object.keys(view)) view[key] = given.get(key) ?? "";
    const known = (name) => [...form.elements[name].options].some((option) => option.value === view[name]);
    for (const name of ["part", "show", "group"]) if (!known(name)) view[name] = "";
    if (!headers.some((header) => nameOf(header) === view.sort)) view.sort = view.order = "";
    if (!Object.values(ORDERS).includes(view.order)) view.order = "";
    for (const name of ["part", "show", "group", "find"]) form.elements[name].value = view[name];
  }

  function write() {
    const kept = new URLSearchParams(Object.entries(view).filter(([, value]) => value));
    const address = new URL(location.href);
    address.search = kept;
    history.replaceState(null, "", address);
  }

  // ---- The numbers of the part

  const metrics = headers.map((header) => header.dataset.metric);

  function scores() {
    const where = part(view.part);
    const shown = view.show || PRODUCT;
    for (const row of rows) {
      const method = data.methods[row.dataset.method];
      metrics.forEach((metric, index) => {
        if (metric) put(row.cells[index], score(method, metric, where), metric === shown);
      });
      rank(row, data.ranks[view.part]?.[data.ranked.indexOf(row.dataset.method)]);
    }
    headers.forEach((header, index) => header.classList.toggle("main", metrics[index] === shown));
  }

  function put(cell, { value, low, high, values }, main) {
    cell.dataset.v = Number.isNaN(value) ? "" : value;
    cell.classList.toggle("main", main);
    cell.replaceChildren(number(value));
    if (Number.isNaN(low)) return;
    cell.append(" ", element("small", interval(low, high)));
    if (main) cell.append(bar(value, low, high, values));
  }

  function bar(value, low, high, values) {
    const made = element("span", undefined, "bar");
    made.setAttribute("aria-hidden", "true");
    const within = { "--low": Math.max(low, 0), "--high": Math.min(high, 100), "--mean": value };
    for (const [name, at] of Object.entries(within)) made.style.setProperty(name, at.toFixed(1));
    dots(made, values);
    return made;
  }

  function rank(row, found) {
    const [cell] = row.cells;
    if (!view.part) {
      const kept = wholeRank.get(row);
      cell.replaceChildren(...kept.slice(0, -1));
      cell.dataset.v = kept.at(-1);
    } else if (found) {
      const [best, worst] = found;
      cell.replaceChildren(best === worst ? `${best}` : `${best} to ${worst}`);
      cell.dataset.v = best;
    } else {
      const none = element("span", "–");
      none.setAttribute("aria-label", "no rank");
      cell.replaceChildren(none);
      cell.dataset.v = "";
    }
  }

  // ---- Order and filter

  function key(row, header) {
    const cell = row.cells[header.cellIndex];
    return cell.dataset.v === undefined ? cell.textContent.trim().toLowerCase() : cell.dataset.v;
  }

  function compare(a, b, numeric, direction) {
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value stands last, both ways
    return direction * (numeric ? Number(a) - Number(b) : a < b ? -1 : Number(a > b));
  }

  function sort() {
    const named = view.sort || view.show || PRODUCT;
    const header = headers.find((item) => nameOf(item) === named);
    const order = view.order || ORDERS[header.dataset.sort];
    const chosen = view.sort || view.show || view.part; // as written, rows are sorted by the mean and then by name
    for (const other of headers) other.setAttribute("aria-sort", other === header && chosen ? order : "none");
    const direction = order === "ascending" ? 1 : -1;
    for (const body of table.tBodies) {
      const own = rows.filter((row) => row.parentElement === body);
      const keys = new Map(own.map((row) => [row, key(row, header)]));
      own.sort((a, b) => compare(keys.get(a), keys.get(b), header.dataset.kind === "number", direction));
      body.append(...own);
      document.getElementById(body.dataset.maps).append(...own.map(figureOf));
    }
  }

  const figureOf = (row) => document.getElementById(`method-${row.dataset.method}`);

  function filter() {
    const wanted = view.find.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [index, body] of [...table.tBodies].entries()) {
      const figures = document.getElementById(body.dataset.maps);
      let left = 0;
      for (const row of rows.filter((item) => item.parentElement === body)) {
        const text = row.querySelector("th").textContent.toLowerCase();
        const fits = (!view.group || view.group === String(index + 1)) && wanted.every((word) => text.includes(word));
        row.hidden = figureOf(row).hidden = !fits;
        left += fits;
      }
      body.hidden = figures.parentElement.hidden = left === 0;
      shown += left;
    }
    return shown;
  }

  // Every cell is a part as well: too many to be in the page.
  function options() {
    const select = form.elements.part;
    const [rows, columns] = [...select.querySelectorAll("optgroup")].map((group) => [...group.children]);
    const cells = element("optgroup");
    cells.label = "Cells";
    for (const row of rows) {
      for (const column of columns) {
        const option = element("option", `${row.text}, ${column.text}`);
        option.value = row.value + column.value;
        cells.append(option);
      }
    }
    select.append(cells);
  }

  // ---- The plane: who is best where; a cell, a row or a column chooses the part

  function choosers() {
    const names = [...form.elements.part.options].map((option) => option.value);
    const rates = names.filter((name) => name.startsWith(","));
    const corruptions = names.filter((name) => name && !name.includes(","));
    [...plane.tHead.rows[0].cells].slice(1).forEach((cell, index) => chooser(cell, rates[index]));
    [...plane.tBodies[0].rows].forEach((line, row) => [...line.cells].forEach((cell, column) => {
      chooser(cell, column ? corruptions[row] + rates[column - 1] : corruptions[row]);
    }));
    const buttons = [...plane.querySelectorAll("button")];
    buttons.forEach((button, index) => { button.tabIndex = index === 0 ? 0 : -1; });
    plane.addEventListener("keydown", walk);
  }

  // One stop of the Tab key; arrow keys move within it.
  function walk(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const cell = event.target.closest("td, th");
    if (!cell || !(event.key in moves)) return;
    event.preventDefault();
    const [down, right] = moves[event.key];
    const line = plane.rows[cell.parentElement.rowIndex + down];
    const next = line && line.cells[cell.cellIndex + right];
    const button = next && next.querySelector("button");
    if (!button) return;
    event.target.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }

  function chooser(cell, name) {
    const button = element("button");
    button.type = "button";
    button.dataset.part = name;
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      form.elements.part.value = form.elements.part.value === name ? "" : name;
      change();
    });
  }

  function mark() {
    const [row, rate = ""] = view.part.split(",");
    for (const button of plane.querySelectorAll("button")) {
      const [ownRow, ownRate = ""] = button.dataset.part.split(",");
      button.setAttribute("aria-pressed", String(button.dataset.part === view.part));
      const inside = view.part && (!row || row === ownRow) && (!rate || rate === ownRate) && ownRow && ownRate;
      button.parentElement.classList.toggle("chosen", Boolean(inside) || button.dataset.part === view.part);
    }
  }

  // The first three of the part, beside the plane.
  function answer() {
    const place = document.getElementById("answer");
    if (!place) return;
    place.hidden = !view.part;
    if (!view.part) return;
    const best = rows
      .filter((row) => data.methods[row.dataset.method].ranked && row.parentElement === table.tBodies[0])
      .map((row) => [row, score(data.methods[row.dataset.method], PRODUCT, part(view.part)).value])
      .filter(([, value]) => !Number.isNaN(value))
      .sort((one, other) => other[1] - one[1])
      .slice(0, 3)
      .map(([row, value]) => {
        const [rank] = row.cells;
        return `${data.methods[row.dataset.method].name} ${number(value)}${rank.dataset.v ? ` (rank ${rank.textContent})` : ""}`;
      });
    const link = element("a", "The ranking there");
    link.href = "#ranking-title";
    place.replaceChildren(element("b", `${words(view.part)}: `), `${best.join(", ")}. `, link);
  }

  // ---- All of it

  async function show() {
    if (view.part || view.show || data) {
      data ??= await load();
      scores();
      const metric = view.show || PRODUCT;
      for (const map of document.querySelectorAll(".multiples .heat[data-of]")) {
        const method = data.methods[map.dataset.of];
        fill(map, data, method, metric);
        map.closest("figure").querySelector("figcaption b").textContent = number(score(method, metric, part(view.part)).value);
      }
      legend(metric);
      document.getElementById("mapped").textContent = data.metrics.find(([name]) => name === metric)[1];
    }
    sort();
    const count = filter();
    if (plane) mark();
    answer();
    const many = count === rows.length ? `All ${count} rows` : `${count} of ${rows.length} rows`;
    const where = view.part ? `: on ${words(view.part)}` : "";
    document.getElementById("shown").textContent = count ? `${many}${where}` : "No method fits the filter";
    hide();
  }

  function change() {
    for (const name of ["part", "show", "group", "find"]) {
      if (name === "show" && view.show !== form.elements.show.value) view.sort = view.order = ""; // by the new metric
      view[name] = form.elements[name].value;
    }
    write();
    return show();
  }

  for (const header of headers) {
    const button = element("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const opposite = { ascending: "descending", descending: "ascending" };
      view.order = opposite[header.getAttribute("aria-sort")] || ORDERS[header.dataset.sort];
      view.sort = nameOf(header);
      write();
      show();
    });
  }
  options();
  if (plane) choosers();
  form.hidden = document.getElementById("shown").hidden = false;
  for (const hint of document.querySelectorAll(".scripted")) hint.hidden = false;
  for (const kind of ["input", "change"]) form.addEventListener(kind, change); // as one types; when it is cleared
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    view.sort = view.order = "";
    change();
  }));
  read();
  show();
})();
