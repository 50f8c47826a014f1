// A ranker in JavaScript: the shortest videos first. Prints its port; answers POST / with one score per candidate.
const server = require("http").createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const { arrays } = JSON.parse(Buffer.concat(parts));
    const scores = arrays.duration_s.map((row) => row.map((seconds) => -seconds));
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ scores }));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
