// A process of its own that starts a sandbox and then waits to be killed, as a server may be: its arguments are the
// driver's name, the data folder and the sandbox's specification as JSON. Prints the reference as one line.
import { bubblewrapDriver } from '../bubblewrap.ts'
import type { Driver, DriverRef } from '../driver.ts'

const drivers: Record<DriverRef['driver'], (dependencies: { dataFolder: string }) => Driver> = {
  bubblewrap: bubblewrapDriver,
}

const [, , name = '', dataFolder = '', spec = ''] = process.argv
const make = Object.entries(drivers).find(([driver]) => driver === name)?.[1]
if (!make) throw new Error(`There is no driver ${name}.`)
process.stdout.write(`${JSON.stringify(await make({ dataFolder }).start(JSON.parse(spec)))}\n`)
setInterval(() => {}, 60_000)
