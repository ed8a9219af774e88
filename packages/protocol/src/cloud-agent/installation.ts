/** What sessions of this installation can be made with. */
import { z } from 'zod'

export const getInstallationInput = z.strictObject({})

export type Installation = {
  /** By name, and of one name the newest last. */
  agents: { name: string; version: string }[]
  /** The name of the one that a session gets whose caller names none. */
  defaultAgent: string
  /** `<upstream>/<model>`. */
  defaultModel: string
  /** Models that have a price here; an upstream may know more. */
  models: string[]
  /** What a model's name may begin with. */
  upstreams: string[]
}
