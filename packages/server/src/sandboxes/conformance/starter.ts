// A process of its own that starts a sandbox and then waits to be killed, as a server may be: its arguments are the
// driver's name, its configuration and the sandbox's specification as JSON. Prints the reference as one line.
import { driverNamed, driverNames } from '../choose.ts'

const [, , given = '', config = '', spec = ''] = process.argv
const name = driverNames.find((known) => known === given)
if (!name) throw new Error(`There is no driver ${given}.`)
process.stdout.write(`${JSON.stringify(await driverNamed(name, JSON.parse(config)).start(JSON.parse(spec)))}\n`)
setInterval(() => {}, 60_000)
