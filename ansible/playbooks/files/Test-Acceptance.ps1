# Tries on a real terminal what simulated ones can't show, and says what came of it, as JSON. It changes nothing that stays.
param(
    # addresses and ports that must answer, and ones that mustn't: ["10.64.0.74:8443", ...]
    [Parameter(Mandatory)] [string] $Reached,
    [Parameter(Mandatory)] [string] $Blocked,
    # the operating system's build that is the least: 26100.1742
    [Parameter(Mandatory)] [version] $Build,
    # the group for whom the clerk's status page is
    [Parameter(Mandatory)] [string] $Clerks
)
$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false
$found = [Collections.Generic.List[object]]::new()

# One item: what is looked at, and a block that says @(passed, what was found); a block that fails is an item that didn't pass.
function Test-Item([string] $Id, [scriptblock] $Look) {
    try { $passed, $said = & $Look } catch { $passed, $said = $false, "$_" }
    $found.Add(@{ id = $Id; passed = [bool]$passed; found = "$said" })
}
function Test-Port([string] $Target) {
    $address, $port = $Target -split ':'
    $client = [Net.Sockets.TcpClient]::new()
    try { $client.ConnectAsync($address, [int]$port).Wait(3000) -and $client.Connected } catch { $false } finally { $client.Dispose() }
}

Test-Item 'system-build' {
    $key = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    $own = [version]"$($key.CurrentBuild).$($key.UBR)"
    ($own -ge $Build), "$($key.EditionID) $own"
}
Test-Item 'listener-https-only' {
    $kinds = @(Get-ChildItem WSMan:\localhost\Listener | ForEach-Object { ($_.Keys -match 'Transport') -replace 'Transport=' })
    ("$kinds" -eq 'HTTPS'), "$kinds"
}
Test-Item 'listener-certificate' {
    $used = (Get-ChildItem WSMan:\localhost\Listener | ForEach-Object { Get-ChildItem $_.PSPath } | Where-Object Name -EQ 'CertificateThumbprint').Value
    $own = Get-Item "Cert:\LocalMachine\My\$used"
    $key = [Security.Cryptography.X509Certificates.ECDsaCertificateExtensions]::GetECDsaPrivateKey($own)
    $exportable = $key.Key.ExportPolicy -ne 'None'
    ($own.FriendlyName -like 'renkei listener *' -and $own.Issuer -ne $own.Subject -and -not $exportable),
    "$($own.Subject) of $($own.Issuer) until $($own.NotAfter.ToString('s')); exportable: $exportable"
}
Test-Item 'certificates-only' {
    $auth = 'Basic', 'Certificate' | ForEach-Object { (Get-Item "WSMan:\localhost\Service\Auth\$_").Value }
    ("$auth" -eq 'false true'), "Basic, Certificate: $auth"
}
Test-Item 'firewall-policy-in-force' {
    $profiles = Get-NetFirewallProfile -PolicyStore ActiveStore
    $wrong = @($profiles | Where-Object { "$($_.DefaultInboundAction) $($_.DefaultOutboundAction)" -ne 'Block Block' -or -not $_.Enabled })
    ($wrong.Count -eq 0), "$($profiles | ForEach-Object { "$($_.Name): $($_.DefaultInboundAction)/$($_.DefaultOutboundAction)" })"
}
Test-Item 'flows-reached' {
    $missed = @((ConvertFrom-Json $Reached) | Where-Object { -not (Test-Port $_) })
    ($missed.Count -eq 0), "no answer: $missed"
}
Test-Item 'others-blocked' {
    $open = @((ConvertFrom-Json $Blocked) | Where-Object { Test-Port $_ })
    ($open.Count -eq 0), "answered: $open"
}
Test-Item 'time-source' {
    $source = "$(w32tm.exe /query /source)".Trim()
    ($source -match '^\d+\.\d+\.\d+\.\d+'), $source
}
Test-Item 'allow-list-blocks' {
    $copy = Join-Path $env:PUBLIC 'renkei-acceptance.exe'
    try {
        Copy-Item "$env:SystemRoot\System32\whoami.exe" $copy
        $verdict = Get-AppLockerPolicy -Effective | Test-AppLockerPolicy -Path $copy -User Everyone
        ("$($verdict.PolicyDecision)" -match 'Denied'), "$($verdict.PolicyDecision)"
    }
    finally { Remove-Item $copy -ErrorAction SilentlyContinue }
}
Test-Item 'malware-protection-acts' {
    $status = Get-MpComputerStatus
    ($status.AMRunningMode -eq 'Normal' -and $status.IsTamperProtected), "$($status.AMRunningMode), patterns of $($status.AntivirusSignatureLastUpdated)"
}
Test-Item 'drive-encrypted' {
    $drive = Get-BitLockerVolume -MountPoint $env:SystemDrive
    $kinds = @($drive.KeyProtector.KeyProtectorType | Sort-Object)
    ("$($drive.ProtectionStatus)" -eq 'On' -and "$kinds" -eq 'RecoveryPassword Tpm'), "$($drive.VolumeStatus), $kinds"
}
Test-Item 'window-has-an-end' {
    $task = Get-ScheduledTask -TaskName renkei-maintenance-end
    ("$($task.State)" -eq 'Ready'), "$($task.State), next $((Get-ScheduledTaskInfo $task).NextRunTime)"
}
Test-Item 'page-for-its-group' {
    $group = (Get-LocalGroup $Clerks).SID
    $folder = Join-Path $env:ProgramData 'Renkei\page'
    $own = 'S-1-5-18', 'S-1-5-32-544', ([Security.Principal.NTAccount]'NT SERVICE\renkei-agent').Translate([Security.Principal.SecurityIdentifier])
    $acl = Get-Acl $folder
    $rules = @($acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier]))
    $others = @($rules | Where-Object { "$($_.IdentityReference)" -notin @($own + $group | ForEach-Object { "$_" }) })
    $clerks = @($rules | Where-Object { $_.IdentityReference -eq $group } | ForEach-Object { $_.FileSystemRights })
    $ways = @(Get-ChildItem "$env:PUBLIC\Desktop\*.url" | Where-Object { (Get-Content -Raw $_) -match '/Renkei/page/renkei\.html' })
    ($acl.AreAccessRulesProtected -and $others.Count -eq 0 -and "$clerks" -eq 'ReadAndExecute, Synchronize' -and $ways.Count -eq 1),
    "the group: $clerks; others: $($others.IdentityReference); on the desktop: $($ways.Count)"
}
Test-Item 'page-on-loopback-only' {
    $pages = @(Get-NetTCPConnection -State Listen | Where-Object {
            (Get-Process -Id $_.OwningProcess).Path -like "$env:ProgramFiles\Renkei\versions\*" })
    $addresses = @($pages | ForEach-Object { "$($_.LocalAddress):$($_.LocalPort)" })
    ($pages.Count -eq 1 -and $pages[0].LocalAddress -eq '127.0.0.1'), "$addresses"
}
ConvertTo-Json @($found) -Depth 3 -Compress
