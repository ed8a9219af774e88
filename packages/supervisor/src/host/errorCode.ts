/** What the operating system said, from an error whose type is unknown. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

export const isMissing = (error: unknown): boolean => errorCode(error) === 'ENOENT'
export const isDiskFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(errorCode(error) ?? '')
export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error))
