/**
 * Agents ship their native program in one npm package per platform. npm picks system and processor, but it cannot see
 * AVX2, so on x64 it brings two builds of some 170 MB each; this picks the one that the processor runs.
 */
import { readFileSync } from 'node:fs'

/** Of the platform packages that npm installed, the one to keep; `undefined` when there is none for this machine. */
export function choosePlatformPackage(installed: string[], cpuHasAvx2: boolean): string | undefined {
  const fits = (name: string): boolean => name.endsWith('-baseline') !== cpuHasAvx2
  return installed.find(fits) ?? installed[0]
}

/** Agents run in Linux sandboxes, so this asks Linux; elsewhere the baseline build is the safe one. */
export function cpuHasAvx2(): boolean {
  return process.platform === 'linux' && /^flags\b.*\bavx2\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'))
}
