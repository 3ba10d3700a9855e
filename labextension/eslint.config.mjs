// What eslint refuses in the front end: no `any`, no unhandled promise, functions of at most 50 lines.
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['lib/**', 'node_modules/**'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      complexity: ['error', 10],
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 50 }],
      'max-params': ['error', 6],
      eqeqeq: ['error', 'always'],
      'no-restricted-globals': ['error', 'fetch', 'XMLHttpRequest']
    }
  },
  {
    files: ['**/*.test.ts'],
    // node:test's `test()` and `describe()` return promises that the runner itself awaits.
    rules: { '@typescript-eslint/no-floating-promises': 'off', 'max-lines-per-function': 'off' }
  }
);
