import { describe, expect, it } from "vitest";
import { parseEndpoint, parseEndpoints } from "./endpoint.ts";

describe("base URLs", () => {
  it.each([
    ["http://localhost:8000", "http://localhost:8000/v1", ""],
    ["http://localhost:8000/", "http://localhost:8000/v1", ""],
    ["http://localhost:8000/v1", "http://localhost:8000/v1", ""],
    ["http://localhost:8000/v1///", "http://localhost:8000/v1", ""],
    ["https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1", "/api"],
    [
      "https://generativelanguage.googleapis.com/v1beta/openai",
      "https://generativelanguage.googleapis.com/v1beta/openai",
      "/v1beta/openai",
    ],
    ["http://[::1]:30000/v1", "http://[::1]:30000/v1", ""],
  ])("%s is %s", (given, url, root) => {
    expect(parseEndpoint(given)).toMatchObject({ url, root });
  });

  it.each([
    ["localhost:8000", /only http and https/],
    ["", /not a URL/],
    ["file:///etc/passwd", /only http and https/],
    ["http://host/v1?key=abc", /a query or fragment/],
    ["http://host/v1#x", /a query or fragment/],
    ["http://host/v1/chat/completions", /leave \/chat\/completions away/],
    ["http://host/v1/models/", /leave \/models away/],
  ])("%s is refused", (given, message) => {
    expect(() => parseEndpoint(given)).toThrow(message);
  });

  it("never shows a password", () => {
    expect(() => parseEndpoint("http://user:hunter22@host/v1")).toThrow(/credentials go into apiKey/);
    expect(() => parseEndpoint("http://user:hunter22@host/v1")).not.toThrow(/hunter22/);
  });

  it("as replicas must differ", () => {
    expect(parseEndpoints(["http://a:1", "http://a:2"])).toHaveLength(2);
    expect(() => parseEndpoints([])).toThrow(/at least one replica/);
    expect(() => parseEndpoints(["http://a:1", "http://a:1/v1"])).toThrow(/different replicas/);
  });
});
