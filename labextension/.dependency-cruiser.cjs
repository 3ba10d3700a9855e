// Who may import whom: index > plugins > views > models > api > request > tokens; each layer looks down only.
const LAYERS = ['tokens', 'request', 'api', 'models', 'views', 'plugins', 'index'];
const pathOf = layer => `^src/${layer}(/|\\.tsx?$)`;

const upwards = LAYERS.slice(0, -1).map((layer, rank) => ({
  name: `${layer}-looks-down-only`,
  severity: 'error',
  from: { path: pathOf(layer), pathNot: '\\.test\\.ts$' },
  to: { path: LAYERS.slice(rank + 1).map(pathOf).join('|') }
}));

module.exports = {
  forbidden: [
    ...upwards,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'every-file-has-a-layer',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: [...LAYERS, 'mime'].map(pathOf).join('|') }
    },
    {
      name: 'models-know-no-dom',
      severity: 'error',
      from: { path: pathOf('models') },
      to: { path: 'node_modules/(react|@lumino/widgets|@jupyterlab/(apputils|ui-components))/' }
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.js'], exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] }
  }
};
