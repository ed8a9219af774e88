/** What every further section is given, and how its choices are read. */
import type { Draft } from '../draft.ts'
import type { FieldErrors } from '../request.ts'

export type Part = { draft: Draft; onDraft: (part: Partial<Draft>) => void; errors: FieldErrors }

/** Of what can be chosen; an option that is none of it is the empty one. */
export const chosen = <Value extends string>(among: readonly (Value | '')[], value: string): Value | '' =>
  among.find((candidate) => candidate === value) ?? ''
