// --- counts at any threshold, and their limits

// The nearest number of a precision, ties to the even one, as NumPy rounds scores and thresholds.
const rounded = {
  float64: (number) => number,
  float32: Math.fround,
  float16: (number) => {
    const ulp = 2 ** (Math.max(Math.floor(Math.log2(number || 1)), -14) - 10);
    const below = Math.floor(number / ulp);
    const rest = number / ulp - below;
    return (below + (rest > 0.5 || (rest === 0.5 && below % 2) ? 1 : 0)) * ulp;
  },
};

// The bytes of numbers were packed by their place: all first bytes, then all second ones, and so on.
function unplane(bytes, start, n, width) {
  const whole = new Uint8Array(n * width);
  for (let at = 0; at < width; at++) {
    for (let i = 0; i < n; i++) whole[i * width + at] = bytes[start + at * n + i];
  }
  return whole.buffer;
}

// The scores of a page: per class and key (a group of bins of a day), how many ROIs won at which edge or above.
async function unpackScores({ edges, cells, entries, step, labels }, precision, nKeys) {
  const bytes = new Uint8Array(await unpackBytes("scores"));
  let start = 0;
  const next = (n, width, Kind) => new Kind(unplane(bytes, (start += n * width) - n * width, n, width));
  const edge = next(edges, 8, Float64Array);
  const size = next(cells, 4, Uint32Array);
  const at = next(entries, 4, Uint32Array);
  const n = next(entries, 4, Uint32Array);
  const begins = new Uint32Array(cells + 1);
  for (let cell = 0; cell < cells; cell++) {
    begins[cell + 1] = begins[cell] + size[cell];
    for (let i = begins[cell] + 1; i < begins[cell + 1]; i++) at[i] += at[i - 1];
    for (let i = begins[cell + 1] - 2; i >= begins[cell]; i--) n[i] += n[i + 1]; // now: so many at this edge or above
  }
  // The first position from `low` on whose number is not below `least`.
  const search = (numbers, low, high, least) => {
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[middle] < least) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    step,
    labels: new Map(Object.entries(labels)), // of each class that has others than its name
    edgeOf: (threshold) => search(edge, 0, edges, rounded[precision](threshold)),
    // How many ROIs a class (by its place among the packed ones) won in a key at an edge or above.
    reached: (place, key, least) => {
      const cell = place * nKeys + key;
      const first = search(at, begins[cell], begins[cell + 1], least);
      return first < begins[cell + 1] ? n[first] : 0;
    },
  };
}

// Exact (Garwood) limits of a Poisson count: quantiles of gamma distributions, as the workflow computes them.
const poissonLimits = (() => {
  function logGamma(a) {
    if (a < 12) return logGamma(a + 1) - Math.log(a);
    const s = 1 / (a * a);
    const series = (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))) / a;
    return (a - 0.5) * Math.log(a) - a + 0.5 * Math.log(2 * Math.PI) + series;
  }

  // The regularized lower incomplete gamma function by its series, or its upper one by a continued fraction.
  function below(a, x, density) {
    if (x < a + 1) {
      let term = 1 / a;
      let sum = term;
      for (let i = 1; term > sum * 1e-17; i++) sum += term *= x / (a + i);
      return sum * density * x;
    }
    let b = x + 1 - a;
    let c = 1e300;
    let d = 1 / b;
    let value = d;
    for (let i = 1, change = 0; Math.abs(change - 1) > 1e-16 && i < 100000; i++) {
      const factor = -i * (i - a);
      b += 2;
      d = 1 / (factor * d + b);
      c = b + factor / c;
      value *= change = d * c;
    }
    return 1 - value * density * x;
  }

  // Wilson and Hilferty's approximation, then Newton's steps with a second-order term.
  function quantile(a, share, z) {
    const constant = logGamma(a);
    let x = a * Math.max(1 - 1 / (9 * a) + z / (3 * Math.sqrt(a)), 0) ** 3;
    if (x < 0.05) x = Math.exp((Math.log(share) + logGamma(a + 1)) / a);
    for (let i = 0; i < 20; i++) {
      const density = Math.exp((a - 1) * Math.log(x) - x - constant);
      const step = (below(a, x, density) - share) / density;
      const better = x - step / Math.max(0.5, 1 - Math.min(0.9, (step * ((a - 1) / x - 1)) / 2));
      const change = (better > 0 ? better : x / 2) - x;
      x += change;
      if (Math.abs(change) < 1e-13 * x) break;
    }
    return x;
  }

  // The quantile of the normal distribution, by bisection, once for a page: half its square has a gamma distribution.
  function normal(share) {
    let [low, high] = [0, 10];
    const half = logGamma(0.5);
    for (let i = 0; i < 60; i++) {
      const z = (low + high) / 2;
      const x = (z * z) / 2;
      const inside = below(0.5, x, Math.exp(-0.5 * Math.log(x) - x - half));
      if (inside < 2 * share - 1) low = z;
      else high = z;
    }
    return (low + high) / 2;
  }

  return (confidence) => {
    const met = new Map(); // counts recur
    const tail = (1 - confidence) / 2;
    const z = normal(1 - tail);
    return (count) => {
      if (!met.has(count)) met.set(count, [count ? quantile(count, tail, -z) : 0, quantile(count + 1, 1 - tail, z)]);
      return met.get(count);
    };
  };
})();
