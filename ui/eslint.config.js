// Owns the lint rules of the page. Must not know about the server.
import js from '@eslint/js';
import a11y from 'eslint-plugin-jsx-a11y';
import hooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import ts from 'typescript-eslint';

export default ts.config(
  { ignores: ['dist', 'screenshots', 'test-results', 'playwright-report'] },
  js.configs.recommended,
  ...ts.configs.strict,
  {
    files: ['src/**/*.{ts,tsx}'],
    extends: [hooks.configs.flat['recommended-latest'], a11y.flatConfigs.recommended],
    languageOptions: { globals: globals.browser },
    rules: {
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', { max: 120, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
      'no-eval': 'error',
      'react-hooks/incompatible-library': 'off',
    },
  },
  { files: ['dev/**', 'scripts/**', '*.config.*', 'e2e/**'], languageOptions: { globals: globals.node } },
);
