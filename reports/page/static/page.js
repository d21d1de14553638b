"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const FACETS = ["framework", "api", "mode", "task", "status"];
  const form = one("#filter");
  const rows = all("table.data tbody tr, .filterable");

  // State lives in the hash: #section?framework=torch&q=…&sort=table:column:descending&theme=dark
  const state = { section: "", params: new URLSearchParams() };
  const readHash = () => {
    const [section, query = ""] = location.hash.slice(1).split("?");
    if (section) state.section = section;
    state.params = new URLSearchParams(query);
  };
  const writeHash = () => {
    const query = state.params.toString();
    const hash = state.section + (query ? "?" + query : "");
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  };
  const put = (key, value) => {
    if (value) state.params.set(key, value);
    else state.params.delete(key);
    writeHash();
  };

  // Sorting: ascending, descending, as it was; missing values stay last.
  const original = new Map();
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell || cell.hasAttribute("data-missing")) return null;
    const number = cell.dataset.sort;
    return number === undefined ? cell.textContent.trim().toLowerCase() : Number(number);
  };
  const sortTable = (table, column, direction) => {
    const body = table.tBodies[0];
    const order = original.get(table);
    const sign = direction === "descending" ? -1 : 1;
    const sorted = direction
      ? [...order].sort((a, b) => {
          const x = keyOf(a, column), y = keyOf(b, column);
          if (x === null || y === null) return (x === null) - (y === null);
          return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
        })
      : order;
    body.append(...sorted);
    all("thead th", table).forEach((head, index) => {
      if (index === column && direction) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
  };
  for (const table of all("table.data")) {
    original.set(table, [...table.tBodies[0].rows]);
    all("thead th", table).forEach((head, column) => {
      const name = one("span", head);
      const button = element("button", name.textContent, { type: "button" });
      name.replaceWith(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const next = now === "ascending" ? "descending" : now === "descending" ? "" : "ascending";
        sortTable(table, column, next);
        put("sort", next && `${table.id}:${column}:${next}`);
      });
    });
  }

  // Filters
  for (const facet of FACETS) {
    const values = [...new Set(rows.map((row) => row.dataset[facet]).filter(Boolean))].sort();
    form.elements[facet].append(...values.map((value) => element("option", value, { value })));
  }
  const applyFilter = () => {
    const wanted = FACETS.map((facet) => [facet, form.elements[facet].value]).filter(([, value]) => value);
    const query = form.elements.q.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = wanted.every(([facet, value]) => row.dataset[facet] === undefined || row.dataset[facet] === value);
      row.hidden = !(fits && (!query || row.textContent.toLowerCase().includes(query)));
      shown += !row.hidden;
    }
    if (wanted.length || query) for (const fold of all("details.fold")) if (one("table", fold)) fold.open = true;
    one("output", form).textContent = wanted.length || query ? `${shown} of ${rows.length} rows shown` : "";
  };
  form.addEventListener("input", () => {
    for (const name of ["q", ...FACETS]) put(name, form.elements[name].value.trim());
    applyFilter();
  });
  form.addEventListener("reset", () => setTimeout(() => form.dispatchEvent(new Event("input"))));
  form.addEventListener("submit", (event) => event.preventDefault());
  const opener = one("#filter-open");
  const openFilter = (open) => {
    form.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
  };
  opener.addEventListener("click", () => {
    openFilter(form.hidden);
    if (!form.hidden) form.elements.q.focus();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { openFilter(false); opener.focus(); }
  });

  // Theme
  const theme = one("#theme");
  const applyTheme = () => {
    const wanted = state.params.get("theme");
    if (wanted === "light" || wanted === "dark") document.documentElement.dataset.theme = wanted;
    else delete document.documentElement.dataset.theme;
    theme.title = document.documentElement.dataset.theme || "as the system";
  };
  theme.addEventListener("click", () => {
    const next = { light: "dark", dark: "" };
    const now = document.documentElement.dataset.theme;
    put("theme", now ? next[now] : "light");
    applyTheme();
  });

  // Taking things out
  const save = (name, type, text) => saveBlob(name, new Blob([text], { type }));
  const saveBlob = (name, blob) => {
    const link = element("a", "", { href: URL.createObjectURL(blob), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const quoted = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text; // a spreadsheet would run it
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  const csv = (lines) => lines.map((line) => line.map(quoted).join(",") + "\r\n").join("");
  const words = (cell) => cell.innerText.replace(/\s+/g, " ").trim();
  const tableCsv = (table) => {
    const lines = [all("thead th", table).map((head) => [...head.childNodes].map((n) => n.textContent).join(" ").trim())];
    for (const row of table.tBodies[0].rows) if (!row.hidden) lines.push([...row.cells].map(words));
    return csv(lines);
  };
  const flatten = (value, path, into) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, item] of Object.entries(value)) flatten(item, path ? `${path}.${key}` : key, into);
    } else into.set(path, Array.isArray(value) ? JSON.stringify(value) : value);
    return into;
  };
  const recordsCsv = (items) => {
    const flat = items.map((item) => flatten(item, "", new Map()));
    const columns = [...new Set(flat.flatMap((line) => [...line.keys()]))];
    return csv([columns, ...flat.map((line) => columns.map((column) => line.get(column)))]);
  };
  const standalone = (svg) => {
    const probe = document.body.appendChild(element("span", ""));
    const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
    const text = new XMLSerializer().serializeToString(svg)
      .replace(/var\((--[a-z]+)\)/g, (_, name) => colour(name))
      .replace(/>/, `><rect width="100%" height="100%" fill="${colour("--paper")}"/>`);
    probe.remove();
    return text;
  };
  const savePng = (svg, name) => {
    const image = new Image();
    const { width, height } = svg.viewBox.baseVal;
    image.onload = () => {
      const canvas = element("canvas", "", { width: width * 3, height: height * 3 });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => saveBlob(name, blob), "image/png");
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(standalone(svg));
  };
  const buttons = (after, entries, what) => {
    const group = element("div", "", { class: "save" });
    for (const [text, action] of entries) {
      const button = element("button", text, { type: "button", "aria-label": `${text}: ${what}` });
      button.addEventListener("click", () => action(button));
      group.append(button);
    }
    after.after(group);
  };
  for (const figure of all("figure[id]")) {
    const svg = one("svg", figure);
    buttons(one("figcaption", figure), [
      ["Save SVG", () => save(figure.id + ".svg", "image/svg+xml", standalone(svg))],
      ["Save PNG", () => savePng(svg, figure.id + ".png")],
    ], one("figcaption", figure).textContent);
  }
  for (const table of all("table.data")) {
    buttons(table.parentElement, [
      ["Save CSV", () => save(table.id + ".csv", "text/csv", tableCsv(table))],
      ["Copy CSV", (button) => navigator.clipboard.writeText(tableCsv(table)).then(
        () => { button.textContent = "Copied"; }, () => { button.textContent = "Copying is not allowed here"; })],
    ], table.caption.textContent);
  }
  const data = () => JSON.parse(one("#data").textContent);
  const downloads = { json: () => save("records.json", "application/json", JSON.stringify(data())),
    csv: () => save("records.csv", "text/csv", recordsCsv(data().records || data().cells)) };
  for (const button of all("button[data-download]")) button.addEventListener("click", downloads[button.dataset.download]);

  // Two sources beside each other, the lines marked that only one of them has
  const pickers = all("select[data-source]");
  const compare = () => {
    const own = JSON.parse(one("[data-own]").dataset.own);
    const [left, right] = pickers.map((picker) => picker.value);
    const lines = own[`${left} ${right}`] || [...(own[`${right} ${left}`] || [])].reverse();
    pickers.forEach((picker, side) => {
      const text = one("#" + picker.value)?.textContent ?? "";
      one("#" + picker.dataset.source).replaceChildren(...text.split("\n").flatMap((line, i) => {
        if (!line.trim() || !lines[side]?.includes(i)) return [line + "\n"];
        const mark = document.createElement("mark");
        mark.textContent = line;
        return [mark, "\n"];
      }));
      one(`#${picker.dataset.source}-time`).textContent = picker.selectedOptions[0]?.dataset.time ?? "";
    });
  };
  for (const picker of pickers) picker.addEventListener("change", compare);
  if (pickers.length) compare();

  // Printing shows everything that is folded.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const fold of closed) fold.open = true;
  });
  addEventListener("afterprint", () => { for (const fold of closed) fold.open = false; });

  const restore = () => {
    readHash();
    for (const name of ["q", ...FACETS]) form.elements[name].value = state.params.get(name) || "";
    if (["q", ...FACETS].some((name) => form.elements[name].value)) openFilter(true);
    applyFilter();
    applyTheme();
    const [id, column, direction] = (state.params.get("sort") || "").split(":");
    for (const table of all("table.data")) {
      if (table.id === id && ["ascending", "descending"].includes(direction)) {
        sortTable(table, Number(column), direction);
        table.closest("details")?.setAttribute("open", "");
      }
      else if (one("[aria-sort]", table)) sortTable(table, -1, "");
    }
    const target = state.section && document.getElementById(state.section);
    if (target) {
      target.closest("details")?.setAttribute("open", "");
      target.scrollIntoView({ behavior: "instant" });
    }
  };
  addEventListener("hashchange", restore);
  for (const link of all('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      state.section = link.getAttribute("href").slice(1);
      const query = state.params.toString();
      history.pushState(null, "", "#" + state.section + (query ? "?" + query : ""));
      const target = document.getElementById(state.section);
      target.closest("details")?.setAttribute("open", "");
      target.scrollIntoView();
      target.setAttribute("tabindex", "-1");
      target.focus({ preventScroll: true });
    });
  }
  addEventListener("popstate", restore);
  all("[data-script]").forEach((part) => { part.hidden = false; });
  one(".tools").hidden = false;
  const links = new Map(all(".bar a").map((link) => [link.getAttribute("href").slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const link = links.get(entry.target.id);
      if (link && entry.isIntersecting) {
        links.forEach((other) => other.removeAttribute("aria-current"));
        link.setAttribute("aria-current", "true");
      }
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const section of all("main > section")) watcher.observe(section);
  restore();
})();
