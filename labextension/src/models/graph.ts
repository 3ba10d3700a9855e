/** A small picture of who waits for whom: boxes in columns, the job in the middle, and the lines between them. */
import type { IWords } from '../tokens/names.js';
import type { IDependencies, ITables, IUpstream } from '../tokens/wire.js';

export interface IGraphNode {
  id: string;
  label: string;
  detail: string;
  /** 0 is the job itself; smaller is before it, larger after it. */
  column: number;
  isTable: boolean;
}

export interface IGraphEdge {
  from: string;
  to: string;
  label: string;
  isAwaited: boolean;
}

export interface IGraph {
  nodes: IGraphNode[];
  edges: IGraphEdge[];
}

export interface IPlacedNode extends IGraphNode {
  x: number;
  y: number;
}

export interface ILayout {
  nodes: IPlacedNode[];
  edges: (IGraphEdge & { path: string })[];
  width: number;
  height: number;
}

export const BOX = { width: 168, height: 40, gapAlong: 48, gapAcross: 12, margin: 8 } as const;
const OWN = 'own';

/** What a form knows: the writers of the tables that the job reads, and the tables that it writes. */
export function graphOfForm(name: string, upstreams: readonly IUpstream[], tables: ITables, trans: IWords): IGraph {
  const nodes = new Map<string, IGraphNode>([[OWN, boxOf(OWN, name || '…', '', 0, false)]]);
  const edges = upstreams.map(upstream => {
    const { table, job_id: jobId } = upstream;
    const id = jobId === null ? `table:${table}` : `job:${jobId}`;
    const label = jobId === null ? table : (upstream.job_name ?? jobId);
    const detail = jobId === null ? trans.__('no job writes it') : writerOf(upstream);
    nodes.set(id, boxOf(id, label, detail, -1, jobId === null));
    return { from: id, to: OWN, label: jobId === null ? '' : table, isAwaited: upstream.is_awaited };
  });
  for (const table of tables.writes) {
    const id = `written:${table}`;
    nodes.set(id, boxOf(id, table, '', 1, true));
    edges.push({ from: OWN, to: id, label: '', isAwaited: false });
  }
  return { nodes: [...nodes.values()], edges };
}

/** What the gateway knows of a deployed job: jobs before and after it, as far as they are shown. */
export function graphOfJob(dependencies: IDependencies): IGraph {
  return {
    nodes: dependencies.nodes.map(node => {
      const detail = [node.owner, node.schedule].filter(Boolean).join(' · ');
      return boxOf(node.id, node.name, detail, node.depth, node.job_id === null);
    }),
    edges: dependencies.edges.map(edge => ({
      from: edge.source,
      to: edge.target,
      label: edge.table,
      isAwaited: edge.is_awaited
    }))
  };
}

/** Say who writes a table: "ann · 0 6 * * * UTC". */
export function writerOf(upstream: IUpstream): string {
  return [upstream.owner, upstream.schedule].filter(Boolean).join(' · ');
}

/** Where the graph grows to: to the right in a wide place, down in a narrow one. */
export type Direction = 'right' | 'down';

/** Place the boxes column by column (or row by row), each centred. */
export function layOut({ nodes, edges }: IGraph, direction: Direction = 'right'): ILayout {
  const isDown = direction === 'down';
  const columns = [...new Set(nodes.map(node => node.column))].sort((one, other) => one - other);
  const most = Math.max(1, ...columns.map(column => nodes.filter(node => node.column === column).length));
  // Along: from one column to the next; across: from one box to the next in a column.
  const along = (isDown ? BOX.height : BOX.width) + BOX.gapAlong;
  const across = (isDown ? BOX.width : BOX.height) + BOX.gapAcross;
  const placed = columns.flatMap((column, index) => {
    const inside = nodes.filter(node => node.column === column);
    return inside.map((node, row) => {
      const [far, side] = [BOX.margin + index * along, BOX.margin + ((most - inside.length) / 2 + row) * across];
      return isDown ? { ...node, x: side, y: far } : { ...node, x: far, y: side };
    });
  });
  const at = new Map(placed.map(node => [node.id, node]));
  const [length, breadth] = [columns.length * along - BOX.gapAlong, most * across - BOX.gapAcross];
  return {
    nodes: placed,
    edges: edges.flatMap(edge => {
      const [from, to] = [at.get(edge.from), at.get(edge.to)];
      return from && to ? [{ ...edge, path: isDown ? downward(from, to) : rightward(from, to) }] : [];
    }),
    width: 2 * BOX.margin + (isDown ? breadth : length),
    height: 2 * BOX.margin + (isDown ? length : breadth)
  };
}

function rightward(from: IPlacedNode, to: IPlacedNode): string {
  const [x1, x2] = from.x < to.x ? [from.x + BOX.width, to.x] : [from.x, to.x + BOX.width];
  const [y1, y2] = [from.y + BOX.height / 2, to.y + BOX.height / 2];
  const middle = (x1 + x2) / 2;
  return `M ${x1} ${y1} C ${middle} ${y1}, ${middle} ${y2}, ${x2} ${y2}`;
}

function downward(from: IPlacedNode, to: IPlacedNode): string {
  const [y1, y2] = from.y < to.y ? [from.y + BOX.height, to.y] : [from.y, to.y + BOX.height];
  const [x1, x2] = [from.x + BOX.width / 2, to.x + BOX.width / 2];
  const middle = (y1 + y2) / 2;
  return `M ${x1} ${y1} C ${x1} ${middle}, ${x2} ${middle}, ${x2} ${y2}`;
}

function boxOf(id: string, label: string, detail: string, column: number, isTable: boolean): IGraphNode {
  return { id, label, detail, column, isTable };
}
