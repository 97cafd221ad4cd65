// Spheres and sticks as one triangle mesh, every vertex knowing the atom it belongs to.
const unitSpheres = new Map();

// An icosahedron whose faces are split `level` times: 42, 162 or 642 points.
function unitSphere(level) {
  if (unitSpheres.has(level)) return unitSpheres.get(level);
  const t = (1 + Math.sqrt(5)) / 2;
  const raw = [[-1, t, 0], [1, t, 0], [-1, -t, 0], [1, -t, 0], [0, -1, t], [0, 1, t], [0, -1, -t], [0, 1, -t], [t, 0, -1], [t, 0, 1], [-t, 0, -1], [-t, 0, 1]];
  const points = raw.map((point) => scaled(point, 1 / Math.hypot(...point)));
  let faces = [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4], [11, 10, 2], [10, 7, 6], [7, 1, 8],
    [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9], [4, 9, 5], [2, 4, 11], [6, 2, 10], [8, 6, 7], [9, 8, 1]];
  for (let round = 0; round < level; round += 1) {
    const middles = new Map();
    const middle = (a, b) => {
      const key = a < b ? `${a} ${b}` : `${b} ${a}`;
      if (!middles.has(key)) {
        const sum = added(points[a], points[b]);
        points.push(scaled(sum, 1 / Math.hypot(...sum)));
        middles.set(key, points.length - 1);
      }
      return middles.get(key);
    };
    faces = faces.flatMap(([a, b, c]) => {
      const [ab, bc, ca] = [middle(a, b), middle(b, c), middle(c, a)];
      return [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]];
    });
  }
  unitSpheres.set(level, { points, faces });
  return unitSpheres.get(level);
}

export const added = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const scaled = (a, factor) => [a[0] * factor, a[1] * factor, a[2] * factor];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const crossed = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

class Mesh {
  constructor() {
    Object.assign(this, { x: [], y: [], z: [], i: [], j: [], k: [], atom: [] });
  }

  point([x, y, z], atom) {
    this.x.push(x);
    this.y.push(y);
    this.z.push(z);
    this.atom.push(atom);
  }

  face(a, b, c) {
    this.i.push(a);
    this.j.push(b);
    this.k.push(c);
  }

  sphere(centre, radius, atom, level) {
    const { points, faces } = unitSphere(level);
    const start = this.x.length;
    for (const point of points) this.point(added(centre, scaled(point, radius)), atom);
    for (const [a, b, c] of faces) this.face(start + a, start + b, start + c);
  }

  // Half a stick, from an atom to the middle of its bond, in that atom's colour.
  stick(from, to, radius, atom, sides) {
    const along = minus(to, from);
    const helper = Math.abs(along[2]) < 0.9 * Math.hypot(...along) ? [0, 0, 1] : [1, 0, 0];
    const across = crossed(along, helper);
    const u = scaled(across, radius / Math.hypot(...across));
    const up = crossed(along, u);
    const v = scaled(up, radius / Math.hypot(...up));
    const start = this.x.length;
    for (let side = 0; side < sides; side += 1) {
      const angle = (2 * Math.PI * side) / sides;
      const offset = added(scaled(u, Math.cos(angle)), scaled(v, Math.sin(angle)));
      this.point(added(from, offset), atom);
      this.point(added(to, offset), atom);
    }
    for (let side = 0; side < sides; side += 1) {
      const [a, b] = [start + 2 * side, start + 2 * ((side + 1) % sides)];
      this.face(a, a + 1, b);
      this.face(b, a + 1, b + 1);
    }
  }
}

// The mesh of a view; `atom` holds the drawn atom of each vertex.
export function crystalMesh(scene, view, { bonds }) {
  const mesh = new Mesh();
  const many = view.sites.length;
  const level = many <= 120 ? 2 : 1;
  view.positions.forEach((position, atom) => {
    mesh.sphere(position, scene.elements[scene.symbols[view.sites[atom]]].radius, atom, level);
  });
  if (bonds) {
    for (const [a, b] of view.bonds) {
      const middle = scaled(added(view.positions[a], view.positions[b]), 0.5);
      mesh.stick(view.positions[a], middle, 0.09, a, many <= 600 ? 8 : 5);
      mesh.stick(view.positions[b], middle, 0.09, b, many <= 600 ? 8 : 5);
    }
  }
  return mesh;
}

export function sphereMesh(centres, radii) {
  const mesh = new Mesh();
  centres.forEach((centre, place) => mesh.sphere(centre, radii[place], place, 2));
  return mesh;
}

// Edges of the cell (and of its repetitions) as one broken line.
export function cellLines(lattice, repeat) {
  const line = { x: [], y: [], z: [] };
  const at = (a, b, c) => added(added(scaled(lattice[0], a), scaled(lattice[1], b)), scaled(lattice[2], c));
  const edge = (from, to) => {
    for (const point of [from, to]) ["x", "y", "z"].forEach((name, place) => line[name].push(point[place]));
    for (const name of ["x", "y", "z"]) line[name].push(null);
  };
  for (let p = 0; p <= repeat; p += 1) {
    for (let q = 0; q <= repeat; q += 1) {
      edge(at(0, p, q), at(repeat, p, q));
      edge(at(p, 0, q), at(p, repeat, q));
      edge(at(p, q, 0), at(p, q, repeat));
    }
  }
  return line;
}
