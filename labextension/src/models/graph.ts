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

export const BOX = { width: 168, height: 40, gapX: 56, gapY: 12, margin: 8 } as const;
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

/** Place the boxes column by column, each column centred. */
export function layOut({ nodes, edges }: IGraph): ILayout {
  const columns = [...new Set(nodes.map(node => node.column))].sort((one, other) => one - other);
  const counts = columns.map(column => nodes.filter(node => node.column === column).length);
  const rows = Math.max(1, ...counts);
  const placed = columns.flatMap((column, index) => {
    const inside = nodes.filter(node => node.column === column);
    const top = ((rows - inside.length) * (BOX.height + BOX.gapY)) / 2;
    return inside.map((node, row) => ({
      ...node,
      x: BOX.margin + index * (BOX.width + BOX.gapX),
      y: BOX.margin + top + row * (BOX.height + BOX.gapY)
    }));
  });
  const at = new Map(placed.map(node => [node.id, node]));
  return {
    nodes: placed,
    edges: edges.flatMap(edge => {
      const [from, to] = [at.get(edge.from), at.get(edge.to)];
      return from && to ? [{ ...edge, path: curve(from, to) }] : [];
    }),
    width: 2 * BOX.margin + columns.length * BOX.width + Math.max(0, columns.length - 1) * BOX.gapX,
    height: 2 * BOX.margin + rows * BOX.height + (rows - 1) * BOX.gapY
  };
}

function curve(from: IPlacedNode, to: IPlacedNode): string {
  const isForward = from.x < to.x;
  const [x1, x2] = isForward ? [from.x + BOX.width, to.x] : [from.x, to.x + BOX.width];
  const [y1, y2] = [from.y + BOX.height / 2, to.y + BOX.height / 2];
  const middle = (x1 + x2) / 2;
  return `M ${x1} ${y1} C ${middle} ${y1}, ${middle} ${y2}, ${x2} ${y2}`;
}

function boxOf(id: string, label: string, detail: string, column: number, isTable: boolean): IGraphNode {
  return { id, label, detail, column, isTable };
}
