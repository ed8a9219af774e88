/** Where packages are fetched from: the public registries, or mirrors that the operator names in their place. */
import { z } from 'zod'

/** A base that paths are appended to. */
const base = (standard: string) =>
  z
    .url({ protocol: /^https?$/ })
    .default(standard)
    .transform((url) => `${url.replace(/\/+$/, '')}/`)

export const registriesSchema = z.strictObject({
  npm: z.strictObject({ url: base('https://registry.npmjs.org/') }).prefault({}),
  /** Without `simple/`, which is below it. `files`: where its pages find the packages. */
  pypi: z.strictObject({ url: base('https://pypi.org/'), files: base('https://files.pythonhosted.org/') }).prefault({}),
  /** A sparse index, and what its `config.json` begins its `dl` with. */
  crates: z
    .strictObject({ url: base('https://index.crates.io/'), files: base('https://static.crates.io/') })
    .prefault({}),
  /** A module proxy, and the database of checksums that goes with it. */
  go: z
    .strictObject({ url: base('https://proxy.golang.org/'), checksums: base('https://sum.golang.org/') })
    .prefault({}),
})
export type RegistrySettings = z.output<typeof registriesSchema>
export type RegistryName = keyof RegistrySettings
