/**
 * How the tests run. Five projects: `unit` (pure, and everything that needs no database), `server` (on a real
 * PostgreSQL; the client, too, since its tests have the real server), `e2e` (from outside; one file at a time and after
 * the others, because each starts agents of its own), `long` (the same, for what few sessions meet: crowds, bombs, lost and
 * shared sandboxes), and `kills` (the same, while everything is killed in turn). The last two are no part of `npm test`.
 */
import { defineConfig } from 'vitest/config'
import { tallyReporter } from './scripts/test/tally.ts'

const { CORRAL_TEST_TALLY: tallyFile } = process.env

export default defineConfig({
  test: {
    reporters: tallyFile ? ['default', tallyReporter(tallyFile)] : ['default'],
    testTimeout: 10_000,
    hookTimeout: 30_000,
    // Most tests wait for processes; the default leaves one core to nobody.
    maxWorkers: '100%',
    // Ends as soon as it holds; a second is not long for a machine that does two things at once.
    expect: { poll: { timeout: 8_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.{ts,tsx}', 'scripts/**/*.test.ts'],
          exclude: ['packages/server/**', 'packages/client/**', '**/node_modules/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'server',
          include: ['packages/{server,client}/src/**/*.test.ts'],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          globalSetup: 'packages/server/src/testing/globalSetup.ts',
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          exclude: ['e2e/{long,kills}/**'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          include: ['e2e/long/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'kills',
          include: ['e2e/kills/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
