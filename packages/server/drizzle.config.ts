import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    './src/database/schema.ts',
    './src/database/gatewayTables.ts',
    './src/database/callbackTables.ts',
    './src/database/transcriptTables.ts',
    './src/database/attachmentTables.ts',
    './src/database/askTables.ts',
    './src/database/identityTables.ts',
    './src/database/auditTable.ts',
    './src/database/gitTables.ts',
    './src/database/checkpointTable.ts',
  ],
  out: './src/database/migrations',
})
