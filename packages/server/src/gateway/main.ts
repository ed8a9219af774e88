/**
 * `corral gateway <config file>`: the gateway as a process. The file holds keys and so is named, not given, in the
 * arguments; see `gatewayConfig.ts`. SIGTERM and SIGINT end it at once; `POST /drain` on the control socket ends it when
 * its calls have ended.
 */
import { readFile } from 'node:fs/promises'
import { pino } from 'pino'
import { startGateway } from './gateway.ts'
import { gatewayConfigSchema } from './gatewayConfig.ts'

const log = pino({ name: 'corral-gateway' })

const [, , file] = process.argv
if (file === undefined) {
  process.stderr.write('Name the configuration file of the gateway: corral gateway <file>\n')
  process.exit(2)
}

const config = gatewayConfigSchema.parse(JSON.parse(await readFile(file, 'utf8')))
const gateway = await startGateway({ config, log })
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void gateway.close())
// The terminal of whoever started it may close.
process.on('SIGHUP', () => {})
await gateway.ended
