/**
 * Server reflection, v1 and v1alpha: what a port serves, from the descriptors that its services carry. It must never
 * show more than is served there.
 */
import {
  createRegistry,
  type DescEnum,
  type DescFile,
  type DescMessage,
  type DescService,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { ServerReflection } from './gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from './gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { type ServiceRegistration, serve } from './services.ts';

type Question =
  | { readonly case: 'fileByFilename' | 'fileContainingSymbol'; readonly value: string }
  | { readonly case: 'allExtensionNumbersOfType' | 'listServices'; readonly value: string }
  | { readonly case: 'fileContainingExtension'; readonly value: object }
  | { readonly case: undefined; readonly value?: undefined };

type Answer =
  | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
  | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string } }
  | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } };

/** A file, then every file that it needs, each once. */
function withDependencies(file: DescFile, seen: Set<DescFile> = new Set()): Set<DescFile> {
  seen.add(file);
  for (const dependency of file.dependencies)
    if (!seen.has(dependency)) withDependencies(dependency, seen);
  return seen;
}

const encode = (file: DescFile): Uint8Array => toBinary(FileDescriptorProtoSchema, file.proto);

class Catalogue {
  readonly #services: readonly string[];
  readonly #byName = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();
  readonly #messages = new Set<string>();

  constructor(services: readonly DescService[]) {
    this.#services = services.map((service) => service.typeName).sort();
    const files = new Set<DescFile>();
    for (const service of services) withDependencies(service.file, files);
    for (const file of files) this.#byName.set(file.proto.name, file);
    for (const type of createRegistry(...files)) if (type.kind !== 'extension') this.#add(type);
  }

  #add(type: DescMessage | DescEnum | DescService): void {
    this.#bySymbol.set(type.typeName, type.file);
    if (type.kind === 'message') {
      this.#messages.add(type.typeName);
      for (const field of type.fields)
        this.#bySymbol.set(`${type.typeName}.${field.name}`, type.file);
    } else if (type.kind === 'service')
      for (const method of type.methods)
        this.#bySymbol.set(`${type.typeName}.${method.name}`, type.file);
  }

  answer(question: Question): Answer {
    switch (question.case) {
      case 'listServices': {
        const service = this.#services.map((name) => ({ name }));
        return { case: 'listServicesResponse', value: { service } };
      }
      case 'fileByFilename':
        return this.#file(this.#byName.get(question.value), 'no such file');
      case 'fileContainingSymbol':
        return this.#file(this.#bySymbol.get(question.value), 'no such symbol');
      case 'fileContainingExtension':
        return refuse(Code.NotFound, 'no such extension');
      case 'allExtensionNumbersOfType':
        return this.#messages.has(question.value)
          ? {
              case: 'allExtensionNumbersResponse',
              value: { baseTypeName: question.value },
            }
          : refuse(Code.NotFound, 'no such type');
      case undefined:
        return refuse(Code.InvalidArgument, 'nothing was asked');
    }
  }

  #file(file: DescFile | undefined, refusal: string): Answer {
    if (file === undefined) return refuse(Code.NotFound, refusal);
    const fileDescriptorProto = Array.from(withDependencies(file), encode);
    return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
  }
}

function refuse(errorCode: Code, errorMessage: string): Answer {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}

/** Reflection over these services, of itself too. */
export function createReflection(services: readonly DescService[]): readonly ServiceRegistration[] {
  const catalogue = new Catalogue([...services, ServerReflection, ServerReflectionAlpha]);
  const reply = (
    host: string,
    question: Question,
  ): { validHost: string; messageResponse: Answer } => ({
    validHost: host,
    messageResponse: catalogue.answer(question),
  });
  return [
    serve(ServerReflection, {
      async *serverReflectionInfo(requests) {
        for await (const request of requests)
          yield { ...reply(request.host, request.messageRequest), originalRequest: request };
      },
    }),
    serve(ServerReflectionAlpha, {
      async *serverReflectionInfo(requests) {
        for await (const request of requests)
          yield { ...reply(request.host, request.messageRequest), originalRequest: request };
      },
    }),
  ];
}
