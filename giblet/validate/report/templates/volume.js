"use strict";
// The maps as three slices through the voxel under a crosshair.
(function () {
  const view = document.getElementById("volume");
  if (!view) return;
  const data = JSON.parse(view.dataset.volume);
  const shape = data.shape, affine = data.affine;
  const by = function (name) { return document.getElementById("volume-" + name); };
  const whose = by("subject"), which = by("map"), threshold = by("threshold");
  const planes = Array.from(view.querySelectorAll(".planes canvas"));
  const sliders = ["x", "y", "z"].map(by);

  function bytes(text) {
    return Uint8Array.from(atob(text), function (letter) { return letter.charCodeAt(0); });
  }
  // Number of the voxel in each cell of the grid, -1 outside of the mask.
  const mask = bytes(data.mask);
  const voxel = new Int32Array(shape[0] * shape[1] * shape[2]);
  let count = 0;
  for (let cell = 0; cell < voxel.length; cell++) {
    voxel[cell] = (mask[cell >> 3] >> (cell & 7)) & 1 ? count++ : -1;
  }
  const regions = data.regions ? bytes(data.regions.values) : null;
  const size = [0, 1, 2].map(function (axis) {
    return Math.hypot(affine[0][axis], affine[1][axis], affine[2][axis]);
  });
  const at = shape.map(function (side) { return side >> 1; });
  let map = null, values = null;

  function cellOf(place) { return (place[0] * shape[1] + place[1]) * shape[2] + place[2]; }
  function valueOf(number) {
    const level = number < 0 ? 0 : values[number];
    if (!level) return NaN;
    const value = map.low + (level - 1) / 254 * (map.high - map.low);
    return map.colours === "q" ? Math.pow(10, value) : value;
  }
  function text(value) {
    if (isNaN(value)) return "no value";
    const shown = value.toFixed(map.digits).replace(/^-(?=[0.]*$)/, "").replace("-", "\u2212");
    return map.unit ? shown + " " + map.unit : shown;
  }
  // How strong a value is, on the scale of the colours: 0 to 1, below 0 for negative ones.
  function strength(value) {
    const ends = map.limits;
    if (map.colours === "q") return Math.min(1, Math.log10(Math.max(value, 1e-9)) / Math.log10(ends[1]));
    if (map.colours === "sequential") {
      return Math.max(0, Math.min(1, (value - ends[0]) / (ends[1] - ends[0])));
    }
    return Math.max(-1, Math.min(1, value / ends[1]));
  }
  const HOT = [[44, 44, 48], [150, 32, 40], [232, 92, 32], [252, 186, 60], [255, 248, 190]];
  const COLD = [[44, 44, 48], [36, 60, 160], [40, 130, 214], [110, 200, 232], [214, 246, 255]];
  const GREY = [74, 77, 82];
  function colour(share) {
    const ramp = share < 0 ? COLD : HOT;
    const along = Math.min(Math.abs(share), 1) * (ramp.length - 1);
    const step = Math.min(Math.floor(along), ramp.length - 2);
    return ramp[step].map(function (low, part) {
      return low + (along - step) * (ramp[step + 1][part] - low);
    });
  }

  // Slice of axis 0 (sagittal): y to the right; of 1 (coronal) and 2 (axial): x to the right.
  const across = [1, 0, 0], upwards = [2, 2, 1];
  const scale = Math.min.apply(null, [0, 1, 2].map(function (axis) {
    return 640 / (size[axis] * shape[axis]);
  }));
  planes.forEach(function (canvas, axis) {
    canvas.width = Math.round(scale * size[across[axis]] * shape[across[axis]]);
    canvas.height = Math.round(scale * size[upwards[axis]] * shape[upwards[axis]]);
    canvas.closest("figure").style.flexGrow = canvas.width;
  });

  function drawSlice(canvas, axis) {
    const a = across[axis], u = upwards[axis], width = shape[a], height = shape[u];
    const small = document.createElement("canvas");
    small.width = width;
    small.height = height;
    const pixels = small.getContext("2d").createImageData(width, height);
    const place = at.slice(), hidden = threshold.value / 100;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        place[a] = column;
        place[u] = height - 1 - row;
        const number = voxel[cellOf(place)];
        if (number < 0) continue;
        const value = valueOf(number), share = isNaN(value) ? 0 : strength(value);
        const seen = !isNaN(value) && Math.abs(share) >= hidden;
        pixels.data.set(seen ? colour(share) : GREY, 4 * (row * width + column));
        pixels.data[4 * (row * width + column) + 3] = 255;
      }
    }
    small.getContext("2d").putImageData(pixels, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    const x = (at[a] + 0.5) * canvas.width / width;
    const y = (height - at[u] - 0.5) * canvas.height / height;
    context.strokeStyle = "#6fe08a";
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x, 0); context.lineTo(x, canvas.height);
    context.moveTo(0, y); context.lineTo(canvas.width, y);
    context.stroke();
  }

  function millimetres() {
    return [0, 1, 2].map(function (row) {
      return affine[row][0] * at[0] + affine[row][1] * at[1] + affine[row][2] * at[2] + affine[row][3];
    });
  }
  function show() {
    planes.forEach(drawSlice);
    const number = voxel[cellOf(at)], mm = millimetres();
    const own = [0, 0, 0];
    at.forEach(function (step, axis) {
      own[data.axes[axis]] = data.offset[axis] + data.flips[axis] * step;
    });
    const where = ["x", "y", "z"].map(function (name, axis) {
      return name + " " + String(Math.round(10 * mm[axis]) / 10).replace("-", "\u2212");
    });
    const said = number < 0 ? "outside of the mask" : map.quantity + " " + text(valueOf(number));
    let line = said + " at " + where.join(", ") + " mm (voxel " + own.join(", ") + ")";
    if (regions && number >= 0) line += ", region " + data.regions.names[regions[number]];
    by("value").textContent = line;
    sliders.forEach(function (slider, axis) {
      slider.value = at[axis];
      slider.setAttribute("aria-valuetext", where[axis] + " mm");
      planes[axis].setAttribute("aria-label", map.title + ", slice at " + where[axis] + " mm: " + said);
    });
    threshold.setAttribute("aria-valuetext", threshold.value + " % of the colour scale");
  }

  function drawScale() {
    const canvas = by("scale"), context = canvas.getContext("2d");
    const from = map.colours === "diverging" ? -1 : 0;
    for (let x = 0; x < canvas.width; x++) {
      const share = from + (1 - from) * x / (canvas.width - 1);
      context.fillStyle = "rgb(" + colour(share).map(Math.round).join(",") + ")";
      context.fillRect(x, 0, 1, canvas.height);
    }
    by("low").textContent = map.quantity + " " + text(map.limits[0]);
    by("high").textContent = text(map.limits[1]);
  }

  // The map chosen stays chosen when the subject has it.
  function fillMaps() {
    const held = data.volumes[whose.value].values, before = which.value;
    which.replaceChildren();
    data.maps.forEach(function (one, number) {
      if (held[one.name]) which.add(new Option(one.title, number, false, String(number) === before));
    });
  }
  function choose() {
    map = data.maps[which.value];
    values = bytes(data.volumes[whose.value].values[map.name]);
    drawScale();
    show();
  }
  function toPeak() {
    let best = -1, most = -Infinity, cellAt = 0;
    for (let cell = 0; cell < voxel.length; cell++) {
      const value = valueOf(voxel[cell]);
      if (isNaN(value)) continue;
      const height = map.colours === "q" ? -value : value;
      if (height > most) { most = height; best = voxel[cell]; cellAt = cell; }
    }
    if (best < 0) return;
    at[2] = cellAt % shape[2];
    at[1] = Math.floor(cellAt / shape[2]) % shape[1];
    at[0] = Math.floor(cellAt / shape[2] / shape[1]);
    show();
  }

  data.volumes.forEach(function (one, number) { whose.add(new Option(one.subject, number)); });
  sliders.forEach(function (slider, axis) {
    slider.min = 0;
    slider.max = shape[axis] - 1;
    slider.addEventListener("input", function () { at[axis] = Number(slider.value); show(); });
  });
  planes.forEach(function (canvas, axis) {
    function follow(event) {
      const box = canvas.getBoundingClientRect(), a = across[axis], u = upwards[axis];
      const right = Math.floor((event.clientX - box.left) / box.width * shape[a]);
      const down = Math.floor((event.clientY - box.top) / box.height * shape[u]);
      at[a] = Math.max(0, Math.min(shape[a] - 1, right));
      at[u] = Math.max(0, Math.min(shape[u] - 1, shape[u] - 1 - down));
      show();
    }
    canvas.addEventListener("pointerdown", function (event) {
      canvas.setPointerCapture(event.pointerId);
      follow(event);
    });
    canvas.addEventListener("pointermove", function (event) { if (event.buttons) follow(event); });
  });
  whose.addEventListener("change", function () { fillMaps(); choose(); });
  which.addEventListener("change", choose);
  threshold.addEventListener("input", show);
  by("peak").addEventListener("click", toPeak);
  view.hidden = false;
  fillMaps();
  choose();
  toPeak();
})();
