/**
 * What `chatPieces` writes, as a Jinja template for programs that read one from the model's folder: transformers, vLLM, llama.cpp. They
 * put as many pads in place of the one as the picture needs.
 */
export const CHAT_TEMPLATE = [
  "{%- if messages[0]['role'] != 'system' -%}",
  "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}",
  "{%- endif -%}",
  "{%- for message in messages -%}",
  "{{- '<|im_start|>' + message['role'] + '\\n' -}}",
  "{%- if message['content'] is string -%}{{- message['content'] -}}",
  "{%- else -%}{%- for part in message['content'] -%}",
  "{%- if part['type'] == 'text' -%}{{- part['text'] -}}",
  "{%- elif part['type'] in ['image', 'image_url'] -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}",
  "{%- elif part['type'] in ['video', 'video_url'] -%}{{- '<|vision_start|><|video_pad|><|vision_end|>' -}}",
  "{%- else -%}{{- raise_exception('expected text, image or video, got ' + part['type']) -}}",
  "{%- endif -%}{%- endfor -%}{%- endif -%}",
  "{{- '<|im_end|>\\n' -}}",
  "{%- endfor -%}",
  "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}",
].join("\n");
