/** Keys that lead somewhere: one, or two after another. */
export type Shortcut = { keys: string; does: string; path: string }

/** `before` is the key that was pressed before this one, with nothing between them. */
export const shortcutFor = (shortcuts: readonly Shortcut[], before: string, key: string): Shortcut | undefined =>
  shortcuts.find(({ keys }) => keys === `${before} ${key}`) ?? shortcuts.find(({ keys }) => keys === key)
