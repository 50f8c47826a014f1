// Unpacks plotly.js, which the page holds deflated (RFC 1951) to stay small, and runs it. Synchronous, unlike the
// browser's own DecompressionStream, so that figures stand when the page has loaded and print with it.
(function () {
  const TOP = 15;
  const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
  const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
  const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  const ranges = Array.from({ length: 30 }, (_, i) => (i < 2 ? [1 + i, 0] : [1 + ((2 + (i & 1)) << ((i >> 1) - 1)), (i >> 1) - 1]));

  // Canonical Huffman code: how many codes of each length, and the symbols in order.
  function code(lengths) {
    const count = new Uint16Array(TOP + 1), start = new Uint16Array(TOP + 2), symbols = new Uint16Array(lengths.length);
    lengths.forEach((length) => { count[length] += 1; });
    count[0] = 0;
    for (let length = 1; length <= TOP; length++) { start[length + 1] = start[length] + count[length]; }
    lengths.forEach((length, symbol) => { if (length) { symbols[start[length]++] = symbol; } });
    return { count, symbols };
  }

  function inflate(packed, size) {
    const out = new Uint8Array(size);
    let at = 0, place = 0, held = 0, n = 0;
    function bits(wanted) {
      while (n < wanted) { held |= packed[at++] << n; n += 8; }
      const value = held & ((1 << wanted) - 1);
      held >>>= wanted; n -= wanted;
      return value;
    }
    function symbol(tree) {
      let value = 0, first = 0, index = 0;
      for (let length = 1; length <= TOP; length++) {
        value |= bits(1);
        const count = tree.count[length];
        if (value - count < first) { return tree.symbols[index + (value - first)]; }
        index += count; first = (first + count) << 1; value <<= 1;
      }
      throw new Error("damaged page: unknown code");
    }
    function stored() {
      held = 0; n = 0;
      const length = packed[at] | (packed[at + 1] << 8);
      out.set(packed.subarray(at + 4, at + 4 + length), place);
      at += 4 + length; place += length;
    }
    function dynamic() {
      const literals = bits(5) + 257, distances = bits(5) + 1, given = bits(4) + 4;
      const own = new Array(19).fill(0);
      for (let i = 0; i < given; i++) { own[ORDER[i]] = bits(3); }
      const tree = code(own), lengths = [];
      while (lengths.length < literals + distances) {
        const next = symbol(tree);
        if (next < 16) { lengths.push(next); continue; }
        const value = next === 16 ? lengths[lengths.length - 1] : 0;
        let times = next === 16 ? 3 + bits(2) : next === 17 ? 3 + bits(3) : 11 + bits(7);
        while (times--) { lengths.push(value); }
      }
      return [code(lengths.slice(0, literals)), code(lengths.slice(literals))];
    }
    function fixed() {
      const lengths = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
      return [code(lengths), code(new Array(30).fill(5))];
    }
    function block([literal, distance]) {
      for (;;) {
        const next = symbol(literal);
        if (next < 256) { out[place++] = next; continue; }
        if (next === 256) { return; }
        let length = LENGTHS[next - 257] + bits(LENGTH_BITS[next - 257]);
        const [base, extra] = ranges[symbol(distance)];
        let from = place - base - bits(extra);
        while (length--) { out[place++] = out[from++]; }
      }
    }
    for (let last = 0; !last;) {
      last = bits(1);
      const kind = bits(2);
      if (kind === 0) { stored(); } else { block(kind === 1 ? fixed() : dynamic()); }
    }
    return out;
  }

  const held = document.getElementById("library");
  const packed = Uint8Array.from(atob(held.textContent), (letter) => letter.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(inflate(packed, Number(held.dataset.size)));
  document.head.appendChild(script);
})();
