"use strict";
(function () {
  // Colours: as the system, light, dark. Storage may be refused for local files.
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const order = ["auto", "light", "dark"];
  function remembered() {
    try { return localStorage.getItem("giblet-theme"); } catch (error) { return null; }
  }
  function setTheme(name) {
    if (name === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", name);
    button.textContent = "Colours: " + name;
    try { localStorage.setItem("giblet-theme", name); } catch (error) { /* not remembered */ }
  }
  let theme = order.includes(remembered()) ? remembered() : "auto";
  setTheme(theme);
  button.addEventListener("click", function () {
    theme = order[(order.indexOf(theme) + 1) % order.length];
    setTheme(theme);
  });

  // Tables: numbers by value, the rest by letters; cells without a value always last.
  function keyOf(row, column) {
    const cell = row.cells[column];
    const key = "sort" in cell.dataset ? cell.dataset.sort : cell.textContent.trim();
    const missing = key === "" || key === "nan" || key === "–";
    return { missing: missing, number: missing ? NaN : Number(key), text: key };
  }
  function compare(one, other, sign) {
    if (one.missing || other.missing) return Number(one.missing) - Number(other.missing);
    if (!isNaN(one.number) && !isNaN(other.number)) return sign * (one.number - other.number);
    return sign * one.text.localeCompare(other.text, undefined, { numeric: true });
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      head.querySelector("button").addEventListener("click", function () {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach(function (other) { other.setAttribute("aria-sort", "none"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = Array.from(body.rows).map(function (row) {
          return { row: row, key: keyOf(row, column) };
        });
        rows.sort(function (a, b) { return compare(a.key, b.key, up ? 1 : -1); });
        rows.forEach(function (item) { body.appendChild(item.row); });
      });
    });
  });

  // Films of one run, started at the same moment; only the first is heard.
  document.querySelectorAll(".together").forEach(function (starter) {
    const films = Array.from(starter.closest(".set").querySelectorAll("video"));
    if (films.length < 2) return;
    starter.hidden = false;
    starter.addEventListener("click", function () {
      const playing = films.some(function (film) { return !film.paused; });
      films.forEach(function (film, index) {
        if (playing) { film.pause(); return; }
        film.currentTime = 0;
        film.muted = index > 0;
        film.play().catch(function () { /* the reader's browser refused */ });
      });
    });
    films.forEach(function (film) {
      ["play", "pause"].forEach(function (kind) {
        film.addEventListener(kind, function () {
          const playing = films.some(function (other) { return !other.paused; });
          starter.textContent = playing ? "Pause all" : "Play together";
        });
      });
    });
  });

  // One sound at a time.
  const sounds = Array.from(document.querySelectorAll("audio"));
  sounds.forEach(function (sound) {
    sound.addEventListener("play", function () {
      sounds.forEach(function (other) { if (other !== sound) other.pause(); });
    });
  });

  // The section in view is marked in the navigation.
  const links = new Map();
  document.querySelectorAll("nav a").forEach(function (link) {
    links.set(link.hash.slice(1), link);
  });
  if ("IntersectionObserver" in window) {
    const seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) return;
        links.forEach(function (link) { link.removeAttribute("aria-current"); });
        links.get(entry.target.id).setAttribute("aria-current", "true");
      });
    }, { rootMargin: "-15% 0px -75% 0px" });
    links.forEach(function (link, id) {
      const section = document.getElementById(id);
      if (section) seen.observe(section);
    });
  }

  // Paper cannot be clicked.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (part) { part.open = true; });
  });
})();
