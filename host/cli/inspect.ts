/** `sandpoll inspect`: what a module imports, what of it is here, and the flags it will need. */
import { basename } from 'node:path';

import { formatInspection, inspectModule } from '../inspect.js';
import { provides } from '../link.js';
import { readModuleFile } from './files.js';

/** The text for one file; throws `ModuleError` for what is no module. */
export function inspect(file: string): string {
  const inspection = inspectModule(readModuleFile(file), provides, basename(file));
  return `${formatInspection(inspection)}\n`;
}
