/**
 * The server has fenced this supervisor off: a newer one lives, or this boot is over. Starting it again is of no use,
 * so an init should end with it.
 */
export const exitFenced = 41
