/** The picture of dependencies; the same is said in words beside it for whoever does not see it. */
import React, { useId } from 'react';

import { BOX, type Direction, type IGraph, type IPlacedNode, layOut } from '../models/graph.js';

export interface IDependencyGraphProps {
  graph: IGraph;
  label: string;
  direction?: Direction;
}

/** Show the boxes and lines. */
export function DependencyGraph({ graph, label, direction }: IDependencyGraphProps): React.JSX.Element {
  const { nodes, edges, width, height } = layOut(graph, direction);
  const arrow = useId();
  return (
    <div className="jp-Athena-graph">
      <svg role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} width={width} height={height}>
        <defs>
          <marker id={arrow} viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="8" markerHeight="8" orient="auto">
            <path d="M 0 0 L 8 4 L 0 8 z" className="jp-Athena-arrow" />
          </marker>
        </defs>
        {edges.map(edge => (
          <path
            key={`${edge.from}>${edge.to}:${edge.label}`}
            d={edge.path}
            className={edge.isAwaited ? 'jp-Athena-edge jp-mod-awaited' : 'jp-Athena-edge'}
            markerEnd={`url(#${arrow})`}
          >
            {edge.label && <title>{edge.label}</title>}
          </path>
        ))}
        {nodes.map(node => (
          <Box key={node.id} node={node} />
        ))}
      </svg>
    </div>
  );
}

const MOST_LETTERS = 24;

function Box({ node }: { node: IPlacedNode }): React.JSX.Element {
  const kind = node.column === 0 ? 'jp-mod-own' : node.isTable ? 'jp-mod-table' : '';
  const middle = node.x + BOX.width / 2;
  return (
    <g className={`jp-Athena-box ${kind}`}>
      <title>{[node.label, node.detail].filter(Boolean).join('\n')}</title>
      <rect x={node.x} y={node.y} width={BOX.width} height={BOX.height} rx={4} />
      <text x={middle} y={node.y + (node.detail ? 17 : 25)} textAnchor="middle">
        {shorten(node.label)}
      </text>
      {node.detail && (
        <text x={middle} y={node.y + 32} textAnchor="middle" className="jp-Athena-boxDetail">
          {shorten(node.detail)}
        </text>
      )}
    </g>
  );
}

function shorten(text: string): string {
  return text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS - 1)}…` : text;
}
