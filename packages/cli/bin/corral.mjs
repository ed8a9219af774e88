#!/usr/bin/env node
// @ts-check
/**
 * `corral`, whichever Node finds it: npx and a global link start the machine's own, which may be too old for the sources.
 * Then it starts the Node 26 that the npm package "node" brings, hands signals on, and ends as that one ends.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const main = new URL('../src/main.ts', import.meta.url)

if (Number.parseInt(process.versions.node, 10) >= 26) await import(main.href)
else startWithNode26()

function startWithNode26() {
  const child = spawn(node26(), [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C reaches the child as well, from the terminal; all we must do is outlive it.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function node26() {
  try {
    return createRequire(import.meta.url).resolve('node/bin/node')
  } catch {
    console.error('Corral is not set up yet: its npm packages are missing. Run `npm install`, then try again.')
    process.exit(1)
  }
}
