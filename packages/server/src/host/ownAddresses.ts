/** The addresses of this machine's interfaces, as they are now. */
import { networkInterfaces } from 'node:os'

export const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((interfaces) => (interfaces ?? []).map(({ address }) => address))
