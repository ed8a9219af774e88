/** The languages that are colored, as a part of the page of their own. */
import { common, createLowlight } from 'lowlight'

export const loaded = () => createLowlight(common)
