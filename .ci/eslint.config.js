import js from '@eslint/js';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const BROWSER_GLOBALS = Object.fromEntries(
  [
    'addEventListener',
    'AbortController',
    'clearTimeout',
    'crypto',
    'devicePixelRatio',
    'document',
    'FormData',
    'getComputedStyle',
    'history',
    'IntersectionObserver',
    'localStorage',
    'location',
    'navigator',
    'prompt',
    'removeEventListener',
    'ResizeObserver',
    'queueMicrotask',
    'sessionStorage',
    'TextDecoderStream',
    'URLSearchParams',
  ].map((name) => [name, 'readonly']),
);

export default tseslint.config(
  {
    ignores: [
      '**/dist/',
      '**/node_modules/',
      '**/coverage/',
      '**/data/',
      '.ci/consumer.*',
      '.ci/example-names.d.ts',
      '.ci/consumers/programs/',
      'examples/**/*.ts',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-floating-promises': 'error',
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "AssignmentExpression[left.type='MemberExpression'][right.type=/^(Arrow)?FunctionExpression$/]",
          message:
            'V8 creates a function that is written where it is assigned to a property in the old generation, where it keeps all that it refers to until a full collection. Give it to a constant first.',
        },
        {
          selector:
            "CallExpression[callee.object.name='Object'][callee.property.name='create'] > .arguments:first-child:not(Literal)",
          message:
            'V8 gives an object that becomes a prototype a hidden class of its own, which makes all code that uses it slow. For a request, use viewOf.',
        },
      ],
    },
  },
  {
    // Supertest bodies and parsed JSON are `any` by their own types; a test's assertions are its checks.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['servers/dashboard/**/*.js'],
    languageOptions: { globals: BROWSER_GLOBALS },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: {
      globals: {
        console: 'readonly',
        process: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        performance: 'readonly',
        fetch: 'readonly',
        AbortSignal: 'readonly',
      },
    },
  },
);
