/**
 * How the tests run. Three projects: `unit` (pure, and everything that needs no database), `server` (on a real
 * PostgreSQL), `e2e` (from outside; one file at a time and after the others, because each starts agents of its own).
 */
import { existsSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const databaseSetup = 'packages/server/src/testing/globalSetup.ts'

export default defineConfig({
  test: {
    testTimeout: 10_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.{ts,tsx}', 'scripts/**/*.test.ts'],
          exclude: ['packages/server/**', '**/node_modules/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'server',
          include: ['packages/server/src/**/*.test.ts'],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          globalSetup: existsSync(databaseSetup) ? [databaseSetup] : [],
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
