// Looking at a crystal: where from, how large, its axes in the corner, and polyhedra around its cations.
import { added, crossed, scaled } from "./geometry.js";

// Where a crystal is first looked at from, and how much of the picture's height it may fill (Plotly shows 2).
export const EYE = [1.35, -1.75, 0.62];
const VISIBLE = 1.94;
const LARGEST_BALL = 0.75;
const AXES = [["a", "var(--hs-axis-a)"], ["b", "var(--hs-axis-b)"], ["c", "var(--hs-axis-c)"]];
export const unit = (vector) => scaled(vector, 1 / Math.hypot(...vector));
const dotted = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const point = ([x, y, z]) => ({ x, y, z });
const vector = ({ x, y, z }) => [x, y, z];

export function usualCamera() {
  return { eye: point(EYE), up: { x: 0, y: 0, z: 1 }, center: { x: 0, y: 0, z: 0 }, projection: { type: "orthographic" } };
}

// Looking down one of the cell's vectors: the next but one points up, as far as it can.
export function cameraAlong(lattice, axis) {
  const eye = scaled(unit(lattice[axis]), Math.hypot(...EYE));
  return { ...usualCamera(), eye: point(eye), up: point(unit(lattice[(axis + 2) % 3])) };
}

// What points right, up and at the viewer.
function screenOf(camera) {
  const towards = unit(vector(camera.eye));
  const right = unit(crossed(vector(camera.up), towards));
  return { right, up: crossed(towards, right), towards };
}

// The three axes as they lie in the picture, drawn from the back to the front.
export function drawTriad(svg, lattice, camera) {
  const { right, up, towards } = screenOf(camera);
  const lines = AXES.map(([name, fill], place) => {
    const along = unit(lattice[place]);
    return { name, fill, x: 30 * dotted(along, right), y: -30 * dotted(along, up), depth: dotted(along, towards) };
  }).sort((one, other) => one.depth - other.depth);
  svg.replaceChildren(...lines.map(({ name, fill, x, y }) => {
    const group = document.createElementNS(svg.namespaceURI, "g");
    const line = document.createElementNS(svg.namespaceURI, "line");
    for (const [key, value] of Object.entries({ x1: 0, y1: 0, x2: x.toFixed(1), y2: y.toFixed(1), stroke: fill, "stroke-width": 3, "stroke-linecap": "round" })) line.setAttribute(key, value);
    const letter = document.createElementNS(svg.namespaceURI, "text");
    letter.textContent = name;
    letter.setAttribute("x", (1.38 * x).toFixed(1));
    letter.setAttribute("y", (1.38 * y + 4).toFixed(1));
    letter.setAttribute("text-anchor", "middle");
    group.append(line, letter);
    return group;
  }));
}

// Axes of equal scale around the smallest sphere about the middle that holds everything: however it is turned, nothing leaves the picture.
export function frameOf(points, shape, zoom = 1) {
  const ends = [0, 1, 2].map((place) => {
    let [low, high] = [Infinity, -Infinity];
    for (const one of points) {
      low = Math.min(low, one[place]);
      high = Math.max(high, one[place]);
    }
    return [low, high];
  });
  const middle = ends.map(([low, high]) => (low + high) / 2);
  const radius = Math.max(...points.map((one) => Math.hypot(one[0] - middle[0], one[1] - middle[1], one[2] - middle[2]))) + LARGEST_BALL;
  const size = VISIBLE * Math.min(1, shape) * zoom;
  return { ranges: middle.map((centre) => [centre - radius, centre + radius]), aspectratio: { x: size, y: size, z: size } };
}

export function cornersOf(lattice, repeat) {
  const [a, b, c] = lattice.map((one) => scaled(one, repeat));
  return [[0, 0, 0], a, b, c, added(a, b), added(a, c), added(b, c), added(added(a, b), c)];
}

// All polyhedra as one mesh, every face in its centre's colour.
export function polyhedraMesh(polyhedra, colourOf) {
  const mesh = { x: [], y: [], z: [], i: [], j: [], k: [], facecolor: [] };
  for (const { site, corners, faces } of polyhedra) {
    const start = mesh.x.length;
    for (const [x, y, z] of corners) {
      mesh.x.push(x);
      mesh.y.push(y);
      mesh.z.push(z);
    }
    for (const [i, j, k] of faces) {
      mesh.i.push(start + i);
      mesh.j.push(start + j);
      mesh.k.push(start + k);
      mesh.facecolor.push(colourOf(site));
    }
  }
  return mesh;
}
