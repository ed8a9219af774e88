import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    './src/database/schema.ts',
    './src/database/identityTables.ts',
    './src/database/auditTable.ts',
    './src/database/gitTables.ts',
    './src/database/checkpointTable.ts',
  ],
  out: './src/database/migrations',
})
