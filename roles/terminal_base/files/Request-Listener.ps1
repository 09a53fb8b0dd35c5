# Makes a key for the maintenance window's listener in the machine's store, which it never leaves, and says the request for
# its certificate (PEM). The ministry's issuing CA answers it; Install-Listener.ps1 takes the answer.
param(
    # the computer's name, and the address by which the controller reaches it: what the certificate is to be for
    [Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9][A-Za-z0-9-]{0,14}$')] [string] $Name,
    [Parameter(Mandatory)] [ipaddress] $Address
)
$ErrorActionPreference = 'Stop'

# a request that was never answered goes, with its key
Get-ChildItem Cert:\LocalMachine\REQUEST | Where-Object { $_.FriendlyName -like 'renkei listener *' } | Remove-Item -DeleteKey

$folder = New-Item -ItemType Directory (Join-Path ([IO.Path]::GetTempPath()) "renkei-$([guid]::NewGuid())")
try {
    $wanted, $request = (Join-Path $folder 'request.inf'), (Join-Path $folder 'request.csr')
    Set-Content $wanted -Encoding ASCII -Value @"
[NewRequest]
Subject = "CN=$Name"
FriendlyName = "renkei listener $Name $Address"
MachineKeySet = TRUE
Exportable = FALSE
ProviderName = "Microsoft Software Key Storage Provider"
KeyAlgorithm = ECDSA_P256
KeyLength = 256
KeyUsage = 0x80
HashAlgorithm = SHA256
RequestType = PKCS10
"@
    $said = certreq.exe -q -new $wanted $request
    if ($LASTEXITCODE -ne 0) { throw "certreq ended with ${LASTEXITCODE}: $said" }
    Get-Content -Raw $request
}
finally { Remove-Item -Recurse $folder }
