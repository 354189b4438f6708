import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectBus } from "@drawbridge/bus";
import { findNatsServer } from "@drawbridge/local";
import { createTestCa, createTestLogger, freePort, startTestNats, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
