/** A sandbox keeps its limits, and its session survives those who do not; with control groups, where there are some. */
import { bombs } from './limits/bombs.ts'

bombs({ cgroups: true })
